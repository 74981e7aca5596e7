import { type Connector, createMessage, defineConnector, type SourceBatch } from '@sluice/core/driver';
import { postgres } from '@sluice/postgres';

const { source, ...rest } = postgres.descriptor;
if (source === undefined) throw new Error('there is no source');

/** The connector, giving the columns `key` and `payload` of a changed row as key and payload, so that bytes can be compared. */
export const changeConnector: Connector<typeof source.config, Parameters<typeof source.open>[1], never, never> =
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
        const partitions = driver.partitions?.bind(driver);
        return {
          ...(driver.identity === undefined ? {} : { identity: driver.identity }),
          ...(partitions === undefined ? {} : { partitions }),
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
