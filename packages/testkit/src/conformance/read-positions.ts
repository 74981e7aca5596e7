import { type Position, wrapError } from '@sluice/core/driver';
import type { Behaviour } from './behaviour.js';
import { asNative, textOfMessage } from './comparison.js';
import { deliver, expectRead, labelOf, theOnly } from './deliver.js';
import { numberedMessages } from './native-messages.js';
import type { OpenedSource, SourceLease } from './opened-source.js';
import { forSource, type SourceSubject, unableOf, unless } from './subject.js';
import type { Trial } from './trial.js';

const replayable = ({ capabilities }: SourceSubject) =>
  unless(capabilities.replayable, 'it cannot read again from a position');

/** How a source goes on from the positions that it gave. */
export const readPositionBehaviours: readonly Behaviour[] = [
  {
    title: 'a source goes on just after any position that it gave, inside of batches too',
    area: 'read',
    inapplicable: forSource(replayable),
    timeoutMs: 90_000,
    async run(trial) {
      const { opened, partition, lease, sent } = theOnly(await deliver(trial, { count: 20, maxMessages: 6 }));
      await lease.take(20);
      for (const { position, after } of positionsOf(lease)) {
        const next = await opened.lease(partition, { position: stored(position) });
        await takeRest(trial, next, sent.length - after);
        expectRead(trial, next, sent.slice(after));
      }
    },
  },
  {
    title: 'a position that was stored is good for a source that is opened later',
    area: 'read',
    inapplicable: forSource(replayable),
    async run(trial) {
      const { place, opened, partition, lease, sent } = theOnly(await deliver(trial, { count: 20, maxMessages: 6 }));
      const batch = await trial.within(lease.next(), 'a first batch');
      const { identity } = opened.driver;
      await opened.close();
      const later = await trial.openSource(place);
      if (later.driver.identity !== identity)
        throw new Error(`it calls its system "${later.driver.identity}" now, and "${identity}" before`);
      const after = batch?.messages.length ?? 0;
      const rest = await later.lease(partition, { position: stored(batch?.position ?? null) });
      await takeRest(trial, rest, sent.length - after);
      expectRead(trial, rest, sent.slice(after));
    },
  },
  {
    title: 'a position that the source cannot read is position_lost',
    area: 'read',
    inapplicable: forSource(replayable),
    async run(trial) {
      const { opened, partition } = theOnly(await deliver(trial, { count: 10 }));
      await expectLost(trial, opened, partition, { unreadable: ['position'] });
    },
  },
  {
    title:
      'a position among messages that the system has discarded is position_lost, and the earliest of the rest can be read',
    area: 'read',
    inapplicable: forSource(
      (source) => replayable(source) ?? unableOf(source.sample.discard, 'its system discards nothing'),
    ),
    async run(trial) {
      const { place, opened, partition, lease, sent } = theOnly(await deliver(trial, { count: 20, maxMessages: 5 }));
      await lease.take(20);
      const { position, after } = positionsOf(lease)[0] ?? { position: null, after: 0 };
      const discarded = Math.min(after + 5, 15);
      if (typeof place.discard !== 'function') return;
      await place.discard(partition, discarded);
      await expectLost(trial, opened, partition, position);
      const earliest = await opened.lease(partition, { start: 'earliest' });
      await takeRest(trial, earliest, sent.length - discarded);
      expectRead(trial, earliest, sent.slice(discarded));
    },
  },
  {
    title: 'a source begins at the earliest or after the latest message when it is told to',
    area: 'read',
    inapplicable: forSource(replayable),
    async run(trial) {
      const { place, opened, partition, lease, sent } = theOnly(await deliver(trial, { count: 10 }));
      await lease.take(10);
      const earliest = await opened.lease(partition, { start: 'earliest' });
      await takeRest(trial, earliest, 10);
      expectRead(trial, earliest, sent);
      const latest = await opened.lease(partition, { start: 'latest' });
      if (trial.source.capabilities.bounded) {
        await latest.rest();
        expectRead(trial, latest, []);
        return;
      }
      const waiting = latest.take(1);
      waiting.catch(() => undefined); // looked at below
      // When it has found out where the end is only the driver knows, so there has to be something after it.
      const later = numberedMessages(trial.source.harness.carries, {
        count: 200,
        from: 10,
        label: labelOf(place, partition),
      });
      let produced = 0;
      await trial.until(async () => {
        await place.produce(later.slice(produced, produced + 1), partition);
        produced += 1;
        return latest.messages.length > 0;
      }, 'a source that begins after the latest message brings a later one');
      await waiting;
      const [first] = latest.messages.map((message) => textOfMessage(asNative(message, trial.source.harness.carries)));
      const begin = Math.max(
        0,
        later.findIndex((message) => textOfMessage(message) === first),
      );
      expectRead(trial, latest, later.slice(begin, begin + latest.messages.length));
    },
  },
];

/** Every position of what a lease has brought, with the number of messages before it. */
function positionsOf({ batches }: SourceLease): readonly { readonly position: Position; readonly after: number }[] {
  let before = 0;
  return batches.flatMap((batch) => {
    const first = before;
    before += batch.messages.length;
    const inside = batch.messages.flatMap((_, index) => {
      const position = batch.positionAt?.(index);
      return position === undefined ? [] : [{ position, after: first + index + 1 }];
    });
    return [...inside, { position: batch.position, after: before }];
  });
}

/** A position as a store gives it back. */
function stored(position: Position): Position {
  return JSON.parse(JSON.stringify(position)) as Position; // JSON is what a position is
}

async function takeRest(trial: Trial, lease: SourceLease, count: number): Promise<void> {
  await (trial.source.capabilities.bounded ? lease.rest() : lease.take(count));
}

async function expectLost(trial: Trial, opened: OpenedSource, partition: string, position: Position): Promise<void> {
  const lease = await opened.lease(partition, { position });
  const { classify } = trial.harness.connector;
  const answer = await trial.within(
    lease.next().then(
      () => 'reads on',
      (error: unknown) => wrapError(error, classify, {}).code,
    ),
    'reading from a position that is lost',
  );
  if (answer !== 'position_lost') throw new Error(`a position that is lost: the source answers ${answer}`);
}
