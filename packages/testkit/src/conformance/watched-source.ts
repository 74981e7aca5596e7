import type { Source } from '@sluice/core';
import type { SourceBatch, SourceDriver } from '@sluice/core/driver';

/** A call of the engine to a source. A read is the fetching of one batch. */
export type SourceStep = 'read' | 'commit';

/** The same source for a pipeline, every step of which goes through `around`. */
export function watchedSource(
  source: Source,
  around: <T>(step: SourceStep, call: () => Promise<T>) => Promise<T>,
): Source {
  const half = source.connector.source;
  if (half === undefined) throw new Error(`${source.connector.name} has no source`);
  const watched = (driver: SourceDriver): SourceDriver => {
    const { commit, partitions, identity } = driver;
    return {
      ...(identity === undefined ? {} : { identity }),
      ...(partitions && { partitions: (signal) => partitions.call(driver, signal) }),
      read: (...request) => watchedBatches(driver.read(...request), (next) => around('read', next)),
      ...(commit && {
        commit: (partition, position) => around('commit', () => commit.call(driver, partition, position)),
      }),
      close: () => driver.close(),
    };
  };
  const open: typeof half.open = async (...request) => watched(await half.open(...request));
  return { ...source, connector: { ...source.connector, source: { ...half, open } } };
}

type NextBatch = () => Promise<IteratorResult<SourceBatch>>;

function watchedBatches(
  batches: AsyncIterable<SourceBatch>,
  around: (next: NextBatch) => Promise<IteratorResult<SourceBatch>>,
): AsyncIterable<SourceBatch> {
  return {
    [Symbol.asyncIterator]: () => {
      const iterator = batches[Symbol.asyncIterator]();
      return {
        next: () => around(() => iterator.next()),
        return: async () => (await iterator.return?.()) ?? { done: true, value: undefined },
      };
    },
  };
}
