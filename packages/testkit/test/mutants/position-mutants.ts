import { placeOf } from '@sluice/core/testing';
import { brokenBatches, brokenSource, type Mutant, streamOf } from './mutant.js';

const ofGroup = { source: { position: 'source', partitions: 'assigned' } } as const;

/** Broken ways to go on, and to follow the set of partitions. */
export const positionMutants: readonly Mutant[] = [
  {
    behaviour: 'a source goes on just after any position that it gave, inside of batches too',
    what: 'gives the position before a message that is asked for',
    says: /that nobody sent/,
    mutate: brokenBatches(() => (batch) => ({
      ...batch,
      positionAt: (index) => batch.positionAt?.(Math.max(0, index - 1)) ?? batch.position,
    })),
  },
  {
    behaviour: 'a position that was stored is good for a source that is opened later',
    what: 'calls its system by another name each time',
    says: /calls its system/,
    mutate: brokenSource((driver) => ({ ...driver, identity: `${Math.random()}` })),
  },
  {
    behaviour: 'a position that the source cannot read is position_lost',
    what: 'begins anew where it cannot read a position',
    says: /the source answers reads on/,
    mutate: brokenSource((driver) => ({
      ...driver,
      read: (partition, position, options) =>
        driver.read(partition, placeOf(position) === undefined ? undefined : position, options),
    })),
  },
  {
    behaviour:
      'a position among messages that the system has discarded is position_lost, and the earliest of the rest can be read',
    what: 'skips what was discarded without a word',
    says: /the source answers reads on/,
    mutate: brokenSource((driver, opened) => ({
      ...driver,
      read: (partition, position, options) => {
        const gone = (placeOf(position)?.next ?? 0) < streamOf(opened).log(partition).start;
        return driver.read(partition, gone ? undefined : position, options);
      },
    })),
  },
  {
    behaviour: 'a source begins at the earliest or after the latest message when it is told to',
    what: 'always begins at the earliest message',
    says: /that nobody sent/,
    mutate: brokenSource((driver) => ({
      ...driver,
      read: (partition, position, options) => driver.read(partition, position, { ...options, start: 'earliest' }),
    })),
  },
  {
    behaviour: 'a partition is read to its end though another one is given up meanwhile',
    what: 'gives everything up with one partition',
    says: /ended after 10 of 50/,
    mutate: brokenSource((driver) => {
      const over = new AbortController();
      return {
        ...driver,
        async *read(partition, position, options) {
          const signal = AbortSignal.any([options.signal, over.signal]);
          try {
            yield* driver.read(partition, position, { ...options, signal });
          } finally {
            over.abort();
          }
        },
      };
    }),
  },
  {
    behaviour: 'a partition that appears while the source runs is found and read from its beginning',
    what: 'never looks for partitions again',
    mode: ofGroup,
    says: /the new partition is among those that are held/,
    mutate: firstSetOnly(),
  },
  {
    behaviour:
      'a partition that is taken away leaves the set or ends with lease_lost, and goes on when it is given back',
    what: 'does not tell that a partition was taken away',
    mode: ofGroup,
    says: /leaves the set/,
    mutate: firstSetOnly(),
  },
];

function firstSetOnly(): Mutant['mutate'] {
  return brokenSource((driver) => ({
    ...driver,
    async *partitions(signal) {
      for await (const set of driver.partitions?.(signal) ?? []) {
        yield set;
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      }
    },
  }));
}
