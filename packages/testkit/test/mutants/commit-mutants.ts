import type { Position, SourceBatch, SourceDriver } from '@sluice/core/driver';
import { placeOf } from '@sluice/core/testing';
import { brokenRead, brokenSource, type Mutant, type Opened, streamOf } from './mutant.js';

const ofGroup = { source: { position: 'source', partitions: 'assigned' } } as const;
const ofQueue = { source: { position: 'source', replayable: false, partitions: 'single' } } as const;
const ofNobody = { source: { position: 'none', partitions: 'single' } } as const;

/** Broken ways to commit. */
export const commitMutants: readonly Mutant[] = [
  {
    behaviour: 'a source whose position nobody keeps has nothing to commit',
    what: 'commits what nobody keeps',
    mode: ofNobody,
    says: /and commits/,
    mutate: brokenSource((driver) => ({ ...driver, commit: () => Promise.resolve() })),
  },
  {
    behaviour: 'reading commits nothing, nor does closing',
    what: 'commits what it has delivered',
    mode: ofGroup,
    says: /20 messages are committed, and it must be 0/,
    mutate: brokenSource(committingOn('delivery')),
  },
  {
    behaviour: 'a commit covers what it names and no more',
    what: 'commits all that was delivered whatever it is asked for',
    mode: ofGroup,
    says: /30 messages are committed, and it must be/,
    mutate: brokenSource((driver) => {
      const delivered = new Map<string, Position>();
      return {
        ...watched(driver, (partition, { position }) => delivered.set(partition, position)),
        commit: async (partition, position) => driver.commit?.(partition, delivered.get(partition) ?? position),
      };
    }),
  },
  {
    behaviour: 'what was not committed comes again when the source is opened again, and what was committed does not',
    what: 'commits what it has delivered when it is closed',
    mode: ofGroup,
    says: /of the 30 that were not committed/,
    mutate: brokenSource(committingOn('end')),
  },
  {
    behaviour: 'what was not committed comes again in the next lease of the partition',
    what: 'commits what it has delivered when a lease ends',
    mode: ofGroup,
    says: /of the 30 that were not committed/,
    mutate: brokenSource(committingOn('end')),
  },
  {
    behaviour: 'what was not committed comes again after a crash, and what was committed does not',
    what: 'forgets what it was told to commit',
    mode: ofGroup,
    says: /that nobody sent/,
    mutate: brokenSource((driver) => ({ ...driver, commit: () => Promise.resolve() })),
  },
  {
    behaviour: 'a message that comes again is marked as such, and a new one is not',
    what: 'does not mark what comes again',
    mode: ofQueue,
    says: /not marked as one that comes again/,
    mutate: brokenRead((message) => ({ ...message, topic: undefined })),
  },
  {
    behaviour: 'a source whose position the engine keeps begins where its config says, whatever was read before',
    what: 'goes on where it was by itself',
    says: /nothing came of it/,
    mutate: brokenSource((driver, opened) => {
      const { progress } = streamOf(opened).group('hidden');
      const reading = watched(driver, (partition, { position }) => {
        progress(partition).committed = placeOf(position)?.next;
      });
      return {
        ...reading,
        read: (partition, position, options) => {
          const next = progress(partition).committed;
          return reading.read(partition, position ?? (next === undefined ? undefined : { next, lease: 0 }), options);
        },
      };
    }),
  },
  {
    behaviour: 'a source whose position nobody keeps brings what comes, and never again what came before',
    what: 'brings what came last again',
    mode: ofNobody,
    says: /that nobody sent/,
    mutate: repeatingTheLast(),
  },
  {
    behaviour: 'a commit after the partition was taken away changes nothing',
    what: 'commits what it does not hold any more',
    mode: ofGroup,
    says: /20 messages are committed, and it must be 10/,
    mutate: brokenSource((driver, opened) => ({
      ...driver,
      commit: async (partition, position) => {
        streamOf(opened).group('readers').progress(partition).committed = placeOf(position)?.next;
      },
    })),
  },
];

/** The driver, and a look at each batch that it has delivered. */
function watched(driver: SourceDriver, look: (partition: string, batch: SourceBatch) => void): SourceDriver {
  return {
    ...driver,
    async *read(partition, position, options) {
      for await (const batch of driver.read(partition, position, options)) {
        look(partition, batch);
        yield batch;
      }
    },
  };
}

/** A driver that moves the group itself, and does nothing when it is asked to. */
function committingOn(moment: 'delivery' | 'end') {
  return (driver: SourceDriver, opened: Opened): SourceDriver => ({
    ...driver,
    commit: () => Promise.resolve(),
    async *read(partition, position, options) {
      const progress = streamOf(opened).group('readers').progress(partition);
      let next: number | undefined;
      try {
        for await (const batch of driver.read(partition, position, options)) {
          next = placeOf(batch.position)?.next;
          if (moment === 'delivery') progress.committed = next;
          yield batch;
        }
      } finally {
        if (moment === 'end') progress.committed = next;
      }
    },
  });
}

function repeatingTheLast(): Mutant['mutate'] {
  let last: SourceBatch | undefined;
  return brokenSource((driver) => {
    const before = last;
    const reading = watched(driver, (_, batch) => {
      last = batch;
    });
    return {
      ...reading,
      async *read(...request) {
        if (before !== undefined) yield before;
        yield* reading.read(...request);
      },
    };
  });
}
