import { type Connector, createMessage, defineConnector, type Position, type SourceBatch } from '@sluice/core/driver';
import { postgres } from '@sluice/postgres';

const { source, ...rest } = postgres.descriptor;
if (source === undefined) throw new Error('there is no source');

/** What is read, by config: the suite asks for the tables alone, and a position of a chunk counts in its plan. */
const plans = new Map<string, Position>();

/**
 * The connector, reading rows. It gives the columns `key` and `payload` as key and payload, so that bytes can be compared, and reads
 * the partition of the plan by itself.
 */
export const rowsConnector: Connector<typeof source.config, Parameters<typeof source.open>[1], never, never> =
  defineConnector({
    name: rest.name,
    title: rest.title,
    contract: rest.contract,
    ...(rest.classify === undefined ? {} : { classify: rest.classify }),
    source: {
      ...source,
      capabilities: (config) => ({ ...source.capabilities(config), changes: false }),
      open: async (config, options, context) => {
        const driver = await source.open(config, options, context);
        const id = JSON.stringify(config);
        const readPlan = async (signal: AbortSignal): Promise<void> => {
          const batches = driver.read('snapshot', plans.get(id), { maxMessages: 1, maxBytes: 1, signal });
          for await (const { position } of batches) plans.set(id, position);
        };
        return {
          ...(driver.identity === undefined ? {} : { identity: driver.identity }),
          partitions: async function* (signal: AbortSignal) {
            let reading: Promise<void> | undefined;
            const sets = driver.partitions?.(signal)[Symbol.asyncIterator]();
            while (sets !== undefined) {
              const next = sets.next();
              // What the plan fails with, the set fails with.
              const set = await (reading === undefined ? next : Promise.race([next, reading.then(() => next)]));
              if (set.done === true) return;
              reading ??= readPlan(signal);
              reading.catch(() => undefined);
              yield set.value.filter((name) => name !== 'snapshot');
            }
          },
          read: (...request) => {
            const batches = driver.read(...request)[Symbol.asyncIterator]();
            return {
              [Symbol.asyncIterator]: () => ({
                next: async () => {
                  const result = await batches.next();
                  return result.done === true ? result : { done: false, value: withColumns(result.value) };
                },
                return: async () => (await batches.return?.()) ?? { done: true, value: undefined },
              }),
            };
          },
          commit: async (...request) => await driver.commit?.(...request),
          close: () => driver.close(),
        };
      },
    },
  });

function withColumns(batch: SourceBatch): SourceBatch {
  const messages = batch.messages.map(({ payload: row, topic }) => {
    if (typeof row !== 'object' || row === null || !('payload' in row) || !('key' in row))
      throw new Error('no such columns');
    return createMessage({ topic, key: row['key'], payload: row['payload'] });
  });
  return { ...batch, messages };
}
