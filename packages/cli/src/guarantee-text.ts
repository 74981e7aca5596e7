import type { Guarantee } from '@sluice/core';

const ownerTexts: Readonly<Record<Guarantee['owners'][string], string>> = {
  sink: 'kept by the sink, together with the data',
  source: 'kept by the outside system it reads from',
  store: 'kept in the checkpoint store',
  none: 'kept by nobody',
};

/** What a pipeline promises, and who owns each position, in lines for people. */
export function guaranteeText(name: string, guarantee: Guarantee): string {
  const owners = Object.entries(guarantee.owners).map(([id, owner]) => `  position of ${id}: ${ownerTexts[owner]}`);
  return [`${name}: ${guarantee.summary}`, ...owners].join('\n');
}
