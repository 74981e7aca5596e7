import { setTimeout as delay } from 'node:timers/promises';
import type { Behaviour } from './behaviour.js';
import { deliver, expectDelivered, expectRead, labelOf, theOnly } from './deliver.js';
import { numberedMessages } from './native-messages.js';
import { forSource, isUnable, unless } from './subject.js';

/** Many more than a system gives out before it hears a commit, in the configs of harnesses. */
const moreThanAnyWindow = 2000;

/** What a source brings, whatever is in the messages. */
export const readBehaviours: readonly Behaviour[] = [
  {
    title: 'a source delivers every message of every partition once, and in order where it promises one',
    area: 'read',
    inapplicable: forSource(),
    async run(trial) {
      await expectDelivered(trial, await deliver(trial, { partitions: 3, count: 200, commits: true }));
    },
  },
  {
    title: 'a bounded source ends by itself, also where there is nothing to read',
    area: 'read',
    inapplicable: forSource(({ capabilities }) => unless(capabilities.bounded, 'it is not bounded')),
    async run(trial) {
      const empty = theOnly(await deliver(trial, { count: 0 }));
      expectRead(trial, empty.lease, []);
      await empty.lease.rest();
      expectRead(trial, empty.lease, []);
      const full = theOnly(await deliver(trial, { count: 50 }));
      await full.lease.rest();
      expectRead(trial, full.lease, full.sent);
    },
  },
  {
    title: 'an unbounded source waits when it has read everything, and brings what comes later',
    area: 'read',
    inapplicable: forSource(({ capabilities }) => unless(!capabilities.bounded, 'it is bounded')),
    async run(trial) {
      const { place, partition, lease, sent } = theOnly(await deliver(trial, { count: 20, commits: true }));
      await lease.take(20);
      const later = lease.take(25);
      later.catch(() => undefined); // looked at below
      const label = labelOf(place, partition);
      const more = numberedMessages(trial.source.harness.carries, { count: 5, from: 20, label });
      await place.produce(more, partition);
      await later;
      expectRead(trial, lease, [...sent, ...more]);
    },
  },
  {
    title: 'a batch keeps within the bytes that were asked for, and tells what it holds',
    area: 'read',
    inapplicable: forSource(),
    async run(trial) {
      const payloadBytes = Math.min(1000, trial.source.harness.carries.maxPayloadBytes);
      const maxBytes = 10 * payloadBytes;
      const { lease } = theOnly(await deliver(trial, { count: 100, payloadBytes, maxBytes, commits: true }));
      await lease.take(100);
      for (const { messages, bytes } of lease.batches) {
        const held = messages.length * payloadBytes;
        if (bytes < held) throw new Error(`a batch says that it holds ${bytes} bytes, and its payloads are ${held}`);
        if (bytes > maxBytes && messages.length > 1)
          throw new Error(
            `a batch of ${messages.length} messages holds ${bytes} bytes, and ${maxBytes} were asked for`,
          );
      }
    },
  },
  {
    title: 'messages carry an operation where the source declares changes, and none where it does not',
    area: 'read',
    inapplicable: forSource(),
    async run(trial) {
      const { lease } = theOnly(await deliver(trial, { count: 10, commits: true }));
      const { changes } = trial.source.capabilities;
      const wrong = (await lease.take(10)).findIndex(({ operation }) => (operation !== undefined) !== changes);
      if (wrong >= 0)
        throw new Error(
          `message ${wrong} ${changes ? 'has no operation' : `has operation ${lease.messages[wrong]?.operation}`}`,
        );
    },
  },
  {
    title: 'every message has a key of its own where the source declares keys',
    area: 'read',
    inapplicable: forSource(({ capabilities }) => unless(capabilities.keyed, 'its messages need no keys')),
    async run(trial) {
      const { lease } = theOnly(await deliver(trial, { count: 50, commits: true }));
      const keys = (await lease.take(50)).map(({ key }) => JSON.stringify(key));
      const wrong = keys.findIndex((key, index) => key === 'null' || keys.indexOf(key) !== index);
      if (wrong >= 0) throw new Error(`message ${wrong} has key ${keys[wrong]}, which is none or another message's`);
    },
  },
  {
    title: 'a source tells how far it is behind where it declares a unit, down to nothing, and else does not',
    area: 'read',
    inapplicable: forSource(),
    async run(trial) {
      const { lease } = theOnly(await deliver(trial, { count: 50, maxMessages: 10, commits: true }));
      await lease.take(50);
      const told = lease.batches.flatMap(({ lag }) => (lag === undefined ? [] : [lag]));
      const { lagUnit } = trial.source.capabilities;
      if (lagUnit === undefined && told.length > 0)
        throw new Error(`it tells a lag of ${told[0]} and declares no unit`);
      if (lagUnit === undefined) return;
      if (told.length === 0) throw new Error(`it declares a lag in ${lagUnit} and never tells it`);
      if (told.some((lag) => !(lag >= 0)) || told.at(-1) !== 0)
        throw new Error(`when everything is read it has told a lag of ${told.join(', ')}, which must end with 0`);
    },
  },
  {
    title: 'a source with a window delivers no more until something is committed, and then goes on',
    area: 'read',
    inapplicable: forSource(({ capabilities }) => unless(capabilities.window, 'it declares no window')),
    async run(trial) {
      const { opened, partition, lease, sent } = theOnly(await deliver(trial, { count: moreThanAnyWindow }));
      let pending = lease.next();
      const stalled = (): Promise<'stalled'> => delay(trial.patienceMs / 5, 'stalled' as const);
      while ((await Promise.race([pending, stalled()])) !== 'stalled') {
        if (lease.messages.length >= moreThanAnyWindow)
          throw new Error(`it declares a window and delivers ${moreThanAnyWindow} messages without a commit`);
        pending = lease.next();
      }
      if (lease.position === undefined) throw new Error('it delivers nothing at all');
      await opened.commit(partition, lease.position);
      await trial.within(pending, 'more messages after a commit');
      expectRead(trial, lease, sent.slice(0, lease.messages.length));
    },
  },
  {
    title: 'a source without a window delivers everything, whether or not anything is committed',
    area: 'read',
    inapplicable: forSource(({ capabilities }) => unless(!capabilities.window, 'it declares a window')),
    async run(trial) {
      await expectDelivered(trial, await deliver(trial, { count: moreThanAnyWindow }));
    },
  },
  {
    title: 'a source that nobody pulls for three times its liveness timeout keeps partition, connection and place',
    area: 'read',
    inapplicable: forSource(({ harness: { livenessTimeoutMs: limit } }) => (isUnable(limit) ? limit : undefined)),
    timeoutMs: 240_000,
    async run(trial) {
      const { livenessTimeoutMs } = trial.source.harness;
      if (isUnable(livenessTimeoutMs)) return;
      const delivery = await deliver(trial, { count: 100, maxMessages: 10 });
      const { opened, partition, lease } = theOnly(delivery);
      const first = await trial.within(lease.next(), 'a first batch');
      const connections = (): number => (isUnable(trial.harness.faults) ? 0 : trial.faults.connections());
      const before = { sets: opened.sets, connections: connections() };
      await delay(3 * livenessTimeoutMs); // the time itself is what is tested
      if (first !== undefined) await opened.commit(partition, first.position);
      await lease.take(100);
      expectRead(trial, lease, delivery.sent.get(partition) ?? []);
      if (opened.sets !== before.sets) throw new Error('its partitions were assigned anew while nobody pulled');
      if (connections() !== before.connections)
        throw new Error(`it has ${connections()} connections, and had ${before.connections} before nobody pulled`);
    },
  },
];
