import {
  type Connector,
  createMessage,
  defineConnector,
  type Position,
  type ReadOptions,
  type SourceBatch,
  type SourceDriver,
} from '@sluice/core/driver';
import { postgres } from '@sluice/postgres';

const { source, ...descriptor } = postgres.descriptor;
if (source === undefined) throw new Error('there is no source');

/** Positions by the names of the partitions that were read so far. */
type Positions = Readonly<Record<string, Position>>;

/**
 * The connector with `snapshot: initial`, giving its partitions one after the other as one: what the suite produced before it reads comes as
 * rows, the rest as changes. The columns `key` and `payload` are key and payload. Each lease has a driver of its own, as after a crash.
 */
export const joinedConnector: Connector<typeof source.config, Parameters<typeof source.open>[1], never, never> =
  defineConnector({
    name: descriptor.name,
    title: descriptor.title,
    contract: descriptor.contract,
    ...(descriptor.classify === undefined ? {} : { classify: descriptor.classify }),
    source: {
      ...source,
      capabilities: (config) => {
        // The plan tells it for the rows, and is no part of what the suite reads; of changes it asks for it where they come alone.
        const { lagUnit: _, ...capabilities } = source.capabilities(config);
        return { ...capabilities, changes: false };
      },
      open: async (config, options, context) => {
        let driver = await source.open(config, options, context);
        let isUsed = false;
        const lease = async (): Promise<SourceDriver> => {
          if (isUsed) {
            await driver.close();
            driver = await source.open(config, options, context);
          }
          isUsed = true;
          return driver;
        };
        return {
          ...(driver.identity === undefined ? {} : { identity: driver.identity }),
          read: (_partition, position, request) => {
            const batches = joined(lease, position === undefined ? {} : positionsIn(position), request);
            return { [Symbol.asyncIterator]: () => batches };
          },
          commit: async (_partition, positions) => {
            for (const [name, position] of Object.entries(positions as Positions))
              await driver.commit?.(name, position);
          },
          close: () => driver.close(),
        };
      },
    },
  });

/** One that was not made here is left to the connector. */
function positionsIn(position: Position): Positions {
  if (typeof position !== 'object' || position === null || !('snapshot' in position)) return { snapshot: position };
  return position as Positions; // as it is made below
}

async function* joined(
  lease: () => Promise<SourceDriver>,
  from: Positions,
  options: ReadOptions,
): AsyncGenerator<SourceBatch> {
  const driver = await lease();
  let at = from;
  let failure: { readonly error: unknown } | undefined;
  const planned = (async () => {
    for await (const { position } of driver.read('snapshot', from['snapshot'], options))
      at = { ...at, snapshot: position };
  })().catch((error: unknown) => {
    failure = { error };
  });
  const read = new Set(['snapshot']);
  const sets = driver.partitions?.(options.signal)[Symbol.asyncIterator]();
  for (let set = await next(); set !== undefined && !options.signal.aborted; set = await next()) {
    for (const name of set.filter((each) => !read.has(each))) {
      read.add(name);
      for await (const batch of driver.read(name, from[name], options)) {
        const { position, positionAt } = batch;
        yield {
          ...withColumns(batch),
          position: { ...at, [name]: position },
          ...(positionAt && { positionAt: (index: number) => ({ ...at, [name]: positionAt(index) }) }),
        };
        at = { ...at, [name]: position };
      }
      // The next set comes when this one is stored, and the suite need not commit.
      const position = at[name];
      if (position !== undefined && !options.signal.aborted) await driver.commit?.(name, position);
    }
  }

  async function next(): Promise<readonly string[] | undefined> {
    // What the plan fails with, the set fails with.
    const pending = sets?.next();
    const result = await Promise.race([pending, planned.then(() => (failure === undefined ? pending : undefined))]);
    if (failure !== undefined) throw failure.error;
    return result?.done === true ? undefined : result?.value;
  }
}

function withColumns(batch: SourceBatch): SourceBatch {
  const messages = batch.messages.map(({ payload: row, topic }) => {
    if (typeof row !== 'object' || row === null || !('payload' in row) || !('key' in row))
      throw new Error('no such columns');
    return createMessage({ topic, key: row['key'], payload: row['payload'] });
  });
  const { lag: _, ...rest } = batch;
  return { ...rest, messages };
}
