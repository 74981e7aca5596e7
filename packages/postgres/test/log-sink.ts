import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { type Connector, defineConnector, type Message, type StoredPosition, z } from '@sluice/core/driver';

/** What a file of the log says after its last checkpoint. */
export interface Log {
  readonly messages: readonly Pick<Message, 'topic' | 'operation' | 'key' | 'before' | 'payload'>[];
  readonly positions: Readonly<Record<string, StoredPosition>>;
  /** How much of the file belongs to checkpoints, in bytes. */
  readonly length: number;
}

type Entry = { readonly messages: Log['messages']; readonly positions: Log['positions'] };

/** Reads a log that is there. What is behind the last whole line was not stored. */
export function readLog(path: string): Log {
  const text = readFileSync(path, 'utf8');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const entries = whole
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Entry); // as written below
  return {
    messages: entries.flatMap(({ messages }) => messages),
    positions: Object.assign({}, ...entries.map(({ positions }) => positions)) as Log['positions'],
    length: Buffer.byteLength(whole),
  };
}

const config = z.strictObject({ path: z.string(), atomic: z.boolean() });

/** Writes messages in their order into a file; `atomic` together with the positions, which takes one line for each flush. */
export const log: Connector<never, never, typeof config, unknown> = defineConnector({
  name: 'log',
  title: 'Log',
  contract: 1,
  sink: {
    config,
    capabilities: ({ atomic }) => ({
      atomic,
      idempotent: false,
      overlap: 'none',
      payload: 'value',
      changes: true,
      preferred: { maxMessages: 1000, maxBytes: 1_000_000, maxInFlight: 1 },
    }),
    open: ({ path, atomic }) => {
      let waiting: Message[] = [];
      const stored = readLog(path);
      // What a kill has cut off.
      writeFileSync(path, readFileSync(path).subarray(0, stored.length));
      let positions = stored.positions;
      const store = (moved: Entry['positions']): void => {
        const messages = waiting.map(({ topic, operation, key, before, payload }) => ({
          topic,
          operation,
          key,
          before,
          payload,
        }));
        waiting = [];
        positions = { ...positions, ...moved };
        appendFileSync(path, `${JSON.stringify({ messages, positions: moved })}\n`);
      };
      return Promise.resolve({
        write: ({ messages }) => {
          waiting.push(...messages);
          if (!atomic) store({});
          return Promise.resolve();
        },
        ...(atomic
          ? {
              flush: (checkpoint) => Promise.resolve(store(checkpoint)),
              claim: () => {
                waiting = [];
                return Promise.resolve(positions);
              },
            }
          : {}),
        close: () => Promise.resolve(),
      });
    },
  },
});
