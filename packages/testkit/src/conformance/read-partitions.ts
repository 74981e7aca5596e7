import type { Behaviour } from './behaviour.js';
import { deliver, expectRead, labelOf, theOnly } from './deliver.js';
import { numberedMessages } from './native-messages.js';
import { forSource, unableOf, unless } from './subject.js';

/** A client looks for new partitions from time to time, and a group takes its time to assign them: as many patiences. */
const patiencesToAssign = 3;

/** How the set of partitions changes while a source runs. */
export const readPartitionBehaviours: readonly Behaviour[] = [
  {
    title: 'a partition is read to its end though another one is given up meanwhile',
    area: 'read',
    inapplicable: forSource(({ sample }) => unless(sample.partitions.length > 1, 'it has one partition')),
    async run(trial) {
      const { leases, sent } = await deliver(trial, { partitions: 2, count: 50, maxMessages: 10, commits: true });
      const [first, second] = leases.values();
      if (first === undefined || second === undefined) throw new Error('the place has no two partitions');
      await trial.within(Promise.all([first.next(), second.next()]), 'a first batch of each partition');
      await first.end();
      await second.take(50);
      expectRead(trial, second, sent.get(second.partition) ?? []);
    },
  },
  {
    title: 'a partition that appears while the source runs is found and read from its beginning',
    area: 'read',
    inapplicable: forSource(({ sample }) => unableOf(sample.addPartition, 'it has one partition')),
    timeoutMs: 120_000,
    async run(trial) {
      const { place, opened, partition, lease } = theOnly(await deliver(trial, { count: 10, commits: true }));
      await lease.take(10);
      if (typeof place.addPartition !== 'function') return;
      const assignMs = patiencesToAssign * trial.patienceMs;
      const added = await place.addPartition();
      const { carries } = trial.source.harness;
      const inNew = numberedMessages(carries, { count: 10, label: 'added' });
      await place.produce(inNew, added);
      await trial.until(() => opened.held.has(added), 'the new partition is among those that are held', assignMs);
      const found = await opened.lease(added, { commits: true });
      await found.take(10);
      expectRead(trial, found, inNew);
      const inOld = numberedMessages(carries, { count: 10, from: 10, label: labelOf(place, partition) });
      await place.produce(inOld, partition);
      const from = trial.source.capabilities.position === 'engine' ? { position: lease.position } : {};
      const old = await opened.lease(partition, { commits: true, ...from });
      await old.take(10);
      expectRead(trial, old, inOld);
    },
  },
  {
    title: 'a partition that is taken away leaves the set or ends with lease_lost, and goes on when it is given back',
    area: 'read',
    inapplicable: forSource(({ sample }) => unableOf(sample.takeAway, 'nobody can take a partition from it')),
    timeoutMs: 120_000,
    async run(trial) {
      const { place, opened, partition, lease, sent } = theOnly(await deliver(trial, { count: 60, maxMessages: 10 }));
      const first = await trial.within(lease.next(), 'a first batch');
      if (first === undefined || typeof place.takeAway !== 'function') return;
      await opened.commit(partition, first.position);
      const taken = await place.takeAway(partition);
      const assignMs = patiencesToAssign * trial.patienceMs;
      await opened.lost(lease, assignMs);
      await taken.giveBack();
      await trial.until(() => opened.held.has(partition), 'the partition is held again', assignMs);
      const again = await opened.lease(partition);
      const after = first.messages.length;
      await again.take(sent.length - after);
      expectRead(trial, again, sent.slice(after));
    },
  },
];
