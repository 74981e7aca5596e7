import type { MessageKind } from './history.js';

/** The name of a source message says what becomes of it. */
export function messageId(partition: string, index: number, kind: MessageKind): string {
  return `${partition}/${index}:${kind}`;
}

/** Names of what a message becomes, if nothing is invalid. */
export function outputsOf(id: string): string[] {
  if (id.endsWith(':drop') || id.endsWith(':control')) return [];
  return id.endsWith(':expand') || id.endsWith(':refuseOne') ? [`${id}#0`, `${id}#1`, `${id}#2`] : [id];
}

/** Whether the first sink refuses this output. */
export function isRefused(output: string): boolean {
  return output.endsWith(':refuse') || output.endsWith(':refuseOne#1');
}
