import { setTimeout as delay } from 'node:timers/promises';
import type { Behaviour } from './behaviour.js';
import { deliver } from './deliver.js';
import { directions, openHalf, placeOf, withFaults } from './halves.js';
import { numberedMessages } from './native-messages.js';
import { asMessage } from './stored-messages.js';
import { forSource } from './subject.js';

/** How long a call that was aborted may go on. */
const abortGraceMs = 1000;
/** Gives a call the time to have sent something, so that it is aborted while it waits and not before it has begun. */
const underWayMs = 50;

/** How calls that wait for the system end when they are aborted. */
export const abortBehaviours: readonly Behaviour[] = [
  ...directions.map(
    (direction): Behaviour => ({
      title: `a ${direction} that is aborted while it opens gives up within a second`,
      area: 'open',
      inapplicable: withFaults(direction),
      async run(trial) {
        const place = await placeOf(trial, direction);
        const abort = new AbortController();
        await trial.faults.hang();
        const opening = Promise.allSettled([openHalf(trial, direction, place, { signal: abort.signal })]);
        await delay(underWayMs);
        abort.abort();
        await trial.within(opening, `opening the ${direction} ends after its abort`, abortGraceMs);
      },
    }),
  ),
  {
    title: 'a read that waits for messages ends within a second when it is aborted, and can be closed',
    area: 'open',
    inapplicable: forSource(),
    async run(trial) {
      const { opened, leases } = await deliver(trial, { count: 10 });
      for (const lease of leases.values()) {
        await lease.take(10);
        const waiting = Promise.allSettled([lease.next()]);
        await delay(underWayMs);
        lease.abort();
        await trial.within(waiting, 'a read ends after its abort', abortGraceMs);
        await trial.within(lease.end(), 'an iterator ends after its abort', abortGraceMs);
      }
      await opened.close();
    },
  },
  {
    title: 'a read that waits for a system that is silent ends within a second when it is aborted',
    area: 'open',
    inapplicable: withFaults('source'),
    async run(trial) {
      const { leases } = await deliver(trial, { count: 10 });
      await trial.faults.hang();
      for (const lease of leases.values()) {
        const waiting = Promise.allSettled([lease.next()]);
        await delay(underWayMs);
        lease.abort();
        await trial.within(waiting, 'a read ends after its abort', abortGraceMs);
      }
    },
  },
  {
    title: 'a write that waits for a system that is silent ends within a second when it is aborted',
    area: 'open',
    inapplicable: withFaults('sink'),
    async run(trial) {
      const driver = await trial.openSink(await trial.sinkPlace());
      await driver.claim?.([]);
      const messages = numberedMessages(trial.sink.harness.carries, { count: 10 }).map(asMessage);
      const slices = [{ partition: '', from: 0, to: messages.length, position: undefined }];
      const abort = new AbortController();
      await trial.faults.hang();
      const writing = (async () => {
        await driver.write({ messages, slices }, abort.signal);
        await driver.flush?.({}, abort.signal);
      })();
      const settled = Promise.allSettled([writing]);
      await delay(underWayMs);
      abort.abort();
      await trial.within(settled, 'a write ends after its abort', abortGraceMs);
    },
  },
];
