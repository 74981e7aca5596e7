import type { Source, Value } from '@sluice/core';
import { createMessage, defineConnector, z } from '@sluice/core/driver';

/** A source that brings these payloads in one batch and ends. */
export function valuesSource(payloads: readonly Value[]): Source {
  const connector = defineConnector({
    name: 'values',
    title: 'Values',
    contract: 1,
    source: {
      config: z.strictObject({}),
      capabilities: () => ({
        position: 'engine',
        replayable: true,
        order: 'partition',
        bounded: true,
        window: false,
        changes: false,
        keyed: false,
      }),
      open: async () => ({
        async *read(_partition, position) {
          const from = Number(position ?? 0);
          const messages = payloads.slice(from).map((payload) => createMessage({ payload }));
          const bytes = messages.length * 100;
          const positionAt = (index: number): number => from + index + 1;
          if (messages.length > 0) yield { messages, bytes, position: payloads.length, positionAt };
        },
        close: () => Promise.resolve(),
      }),
    },
  });
  return connector.source({});
}
