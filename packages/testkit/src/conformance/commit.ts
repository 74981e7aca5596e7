import type { Behaviour } from './behaviour.js';
import { deliver, expectRead, theOnly } from './deliver.js';
import type { NativeMessage, SourcePlace } from './harness.js';
import { numberedMessages } from './native-messages.js';
import type { OpenedSource, SourceLease } from './opened-source.js';
import { forSource, isUnable, type SourceSubject, type Subject, unableOf, unless } from './subject.js';
import type { Trial } from './trial.js';

/** A system notices a dead client when its own timeout is over, which may be as many patiences. */
const patiencesToNotice = 12;

/** What commits do to the outside system. */
export const commitBehaviours: readonly Behaviour[] = [
  {
    title: 'a source whose position nobody keeps has nothing to commit',
    area: 'commit',
    inapplicable: forSource(({ capabilities }) =>
      unless(capabilities.position === 'none', 'somebody keeps its position'),
    ),
    async run(trial) {
      const { opened } = await deliver(trial, { count: 1 });
      if (opened.driver.commit !== undefined)
        throw new Error('it declares that nobody keeps its position, and commits');
    },
  },
  {
    title: 'reading commits nothing, nor does closing',
    area: 'commit',
    inapplicable: forSource(withCommitted),
    async run(trial) {
      const { place, opened, partition, lease } = theOnly(await deliver(trial, { count: 20, maxMessages: 5 }));
      await lease.take(20);
      await expectCommitted(trial, place, partition, 0);
      await lease.end();
      await expectCommitted(trial, place, partition, 0);
      await opened.close();
      await expectCommitted(trial, place, partition, 0);
    },
  },
  {
    title: 'a commit covers what it names and no more',
    area: 'commit',
    inapplicable: forSource(withCommitted),
    async run(trial) {
      const { place, opened, partition, lease } = theOnly(await deliver(trial, { count: 30, maxMessages: 5 }));
      await lease.take(30);
      let before = 0;
      for (const batch of lease.batches) {
        const middle = Math.floor(batch.messages.length / 2) - 1;
        const inside = middle < 0 ? undefined : batch.positionAt?.(middle);
        if (inside !== undefined) {
          await opened.commit(partition, inside);
          await expectCommitted(trial, place, partition, before + middle + 1);
        }
        before += batch.messages.length;
        await opened.commit(partition, batch.position);
        await expectCommitted(trial, place, partition, before);
      }
    },
  },
  {
    title: 'what was not committed comes again when the source is opened again, and what was committed does not',
    area: 'commit',
    inapplicable: forSource(keptOutside),
    timeoutMs: 90_000,
    async run(trial) {
      const begun = await readAndCommitFirst(trial);
      await begun.opened.close();
      await expectRest(trial, begun, await trial.openSource(begun.place));
    },
  },
  {
    title: 'what was not committed comes again in the next lease of the partition',
    area: 'commit',
    inapplicable: forSource(keptOutside),
    async run(trial) {
      const begun = await readAndCommitFirst(trial);
      await begun.lease.end();
      await expectRest(trial, begun, begun.opened);
    },
  },
  {
    title: 'what was not committed comes again after a crash, and what was committed does not',
    area: 'commit',
    inapplicable: (subject) => forSource(keptOutside)(subject) ?? withoutFaults(subject),
    timeoutMs: 180_000,
    async run(trial) {
      const begun = await readAndCommitFirst(trial);
      // To the system a client that is closed behind a cut is one that has died: no goodbye arrives.
      await trial.faults.cut();
      await trial.within(Promise.allSettled([begun.opened.close()]), 'close while the system cannot be reached');
      await trial.faults.restore();
      await expectRest(trial, begun, await trial.openSource(begun.place), patiencesToNotice * trial.patienceMs);
    },
  },
  {
    title: 'a message that comes again is marked as such, and a new one is not',
    area: 'commit',
    inapplicable: forSource(
      (source) => keptOutside(source) ?? unableOf(source.harness.redelivered, 'its system does not tell'),
    ),
    async run(trial) {
      const { redelivered } = trial.source.harness;
      if (typeof redelivered !== 'function') return;
      const begun = await readAndCommitFirst(trial);
      const known = new Set(begun.lease.messages.map(({ payload }) => textOf(payload)));
      if (begun.lease.messages.some(redelivered)) throw new Error('a message that comes for the first time is marked');
      await begun.opened.close();
      const { messages } = await expectRest(trial, begun, await trial.openSource(begun.place));
      const wrong = messages.find((message) => redelivered(message) !== known.has(textOf(message.payload)));
      if (wrong !== undefined)
        throw new Error(
          `${textOf(wrong.payload)} is ${redelivered(wrong) ? '' : 'not '}marked as one that comes again`,
        );
    },
  },
  {
    title: 'a source whose position the engine keeps begins where its config says, whatever was read before',
    area: 'commit',
    inapplicable: forSource(({ capabilities }) =>
      unless(capabilities.position === 'engine', 'the engine does not keep its position'),
    ),
    async run(trial) {
      const first = theOnly(await deliver(trial, { count: 20 }));
      await first.lease.take(20);
      await first.opened.close();
      const second = await trial.openSource(first.place);
      const lease = await second.lease(first.partition);
      await lease.take(20);
      expectRead(trial, lease, first.sent);
    },
  },
  {
    title: 'a source whose position nobody keeps brings what comes, and never again what came before',
    area: 'commit',
    inapplicable: forSource(({ capabilities }) =>
      unless(capabilities.position === 'none', 'somebody keeps its position'),
    ),
    async run(trial) {
      const { place, opened, partition, lease } = theOnly(await deliver(trial, { count: 20 }));
      await lease.take(20);
      await opened.close();
      const later = await trial.openSource(place);
      const next = await later.lease(partition);
      const more = numberedMessages(trial.source.harness.carries, { count: 10, label: 'more' });
      await place.produce(more, partition);
      await next.take(10);
      expectRead(trial, next, more);
    },
  },
  {
    title: 'a commit after the partition was taken away changes nothing',
    area: 'commit',
    inapplicable: forSource(
      (source) => withCommitted(source) ?? unableOf(source.sample.takeAway, 'nobody can take a partition from it'),
    ),
    timeoutMs: 120_000,
    async run(trial) {
      const { place, opened, partition, lease } = theOnly(await deliver(trial, { count: 40, maxMessages: 10 }));
      await lease.take(40);
      const [first, second] = lease.batches;
      if (first === undefined || second === undefined || typeof place.takeAway !== 'function') return;
      await opened.commit(partition, first.position);
      await place.takeAway(partition);
      // The source may not know yet, so the commit may reach it; whether it is refused or dropped is its own matter.
      await trial.within(Promise.allSettled([opened.commit(partition, second.position)]), 'a late commit ends');
      await expectCommitted(trial, place, partition, first.messages.length);
    },
  },
];

function withCommitted({ sample }: SourceSubject) {
  return unableOf(sample.committed, 'its system keeps no positions');
}

function keptOutside({ capabilities }: SourceSubject) {
  return unless(capabilities.position === 'source', 'its system keeps no positions');
}

function withoutFaults({ harness }: Subject) {
  return isUnable(harness.faults) ? harness.faults : undefined;
}

async function expectCommitted(trial: Trial, place: SourcePlace, partition: string, count: number): Promise<void> {
  const { committed } = place;
  if (typeof committed !== 'function') throw new Error('the place tells no commits');
  const found = await trial.within(committed(partition), 'how much is committed');
  if (found !== count) throw new Error(`${found} messages are committed, and it must be ${count}`);
}

interface Begun {
  readonly place: SourcePlace;
  readonly opened: OpenedSource;
  readonly partition: string;
  readonly lease: SourceLease;
  /** What was not committed, and more that came later. */
  readonly rest: readonly NativeMessage[];
}

/** Reads some messages, commits the first batch of them alone, and sends some more. */
async function readAndCommitFirst(trial: Trial): Promise<Begun> {
  const { place, opened, partition, lease, sent } = theOnly(await deliver(trial, { count: 30, maxMessages: 10 }));
  const first = await trial.within(lease.next(), 'a first batch');
  if (first === undefined) throw new Error('the source ended without a batch');
  if (first.messages.length < sent.length) await trial.within(lease.next(), 'a second batch');
  await opened.commit(partition, first.position);
  const more = numberedMessages(trial.source.harness.carries, { count: 10, label: 'more' });
  await place.produce(more, partition);
  return { place, opened, partition, lease, rest: [...sent.slice(first.messages.length), ...more] };
}

/** Reads without a position and expects what was not committed, and nothing else. */
async function expectRest(
  trial: Trial,
  { partition, rest }: Begun,
  opened: OpenedSource,
  limitMs: number = trial.patienceMs,
): Promise<SourceLease> {
  await trial.until(() => opened.held.has(partition), 'the partition is held', limitMs);
  const lease = await opened.lease(partition);
  while (lease.messages.length < rest.length) {
    const what = `message ${lease.messages.length + 1} of the ${rest.length} that were not committed`;
    if ((await trial.within(lease.next(), what, limitMs)) === undefined) break;
  }
  expectRead(trial, lease, rest);
  return lease;
}

function textOf(payload: unknown): string {
  return payload instanceof Uint8Array ? Buffer.from(payload).toString() : String(payload);
}
