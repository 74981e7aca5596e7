import {
  type Connector,
  createMessage,
  defineConnector,
  type Message,
  type SourceBatch,
  type Value,
} from '@sluice/core/driver';
import { postgres } from '@sluice/postgres';

const { source: found, ...rest } = postgres.descriptor;
if (found === undefined) throw new Error('there is no source');
const source = found;

type RowConnector = Connector<typeof source.config, Parameters<typeof source.open>[1], never, never>;
type KeyOf = (row: Readonly<Record<string, Value>>, message: Message) => Value;

/** The connector, giving the columns `key` and `payload` of a changed row as key and payload, so that bytes can be compared. */
export const changeConnector: RowConnector = withColumns((row) => row['key'] ?? null);

/** The same of rows that are polled, under the keys that they have. */
export const rowConnector: RowConnector = withColumns((_, { key }) => key);

function withColumns(keyOf: KeyOf): RowConnector {
  return defineConnector({
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
                  return result.done === true ? result : { done: false, value: pick(result.value, keyOf) };
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
}

function pick(batch: SourceBatch, keyOf: KeyOf): SourceBatch {
  const messages = batch.messages.map((message) => {
    const row = message.payload;
    if (typeof row !== 'object' || row === null || !('payload' in row)) throw new Error('no such column');
    return createMessage({ topic: message.topic, key: keyOf(row, message), payload: row['payload'] });
  });
  return { ...batch, messages };
}
