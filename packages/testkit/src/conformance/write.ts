import type { Checkpoint } from '@sluice/core';
import type { Behaviour } from './behaviour.js';
import type { NativeMessage } from './harness.js';
import { nativeMessage, numbered, numberedMessages } from './native-messages.js';
import { nameOf, openedSink } from './opened-sink.js';
import { payloadsFor } from './payloads.js';
import { asMessage, expectStored } from './stored-messages.js';
import { forSink } from './subject.js';
import type { Trial } from './trial.js';

/** What a sink stores. */
export const writeBehaviours: readonly Behaviour[] = [
  {
    title: 'a sink stores every message once and in the order of its source partition',
    area: 'write',
    inapplicable: forSink(),
    async run(trial) {
      const place = await trial.sinkPlace();
      const sink = await openedSink(trial, place);
      await sink.claim('a', 'b');
      const [a, b] = [numbered(trial, 'a', 100), numbered(trial, 'b', 100)];
      for (let from = 0; from < 100; from += 20) {
        const part = (messages: readonly NativeMessage[]): readonly NativeMessage[] => messages.slice(from, from + 20);
        await sink.writeTogether(
          new Map([
            ['b', part(b)],
            ['a', part(a)],
          ]),
        );
        if (from === 40) await sink.flush();
      }
      await sink.flush();
      await sink.close();
      await expectStored(
        place,
        new Map([
          ['a', a],
          ['b', b],
        ]),
      );
    },
  },
  {
    title: 'what was written is stored as soon as the flush says so, or the write where there is none',
    area: 'write',
    inapplicable: forSink(),
    async run(trial) {
      const place = await trial.sinkPlace();
      const sink = await openedSink(trial, place);
      const messages = numbered(trial, 'a', 30);
      for (const end of [10, 20, 30]) {
        await sink.write(messages.slice(end - 10, end));
        await sink.flush();
        await expectStored(place, messages.slice(0, end));
      }
    },
  },
  {
    title: 'a sink keeps payloads byte for byte',
    area: 'write',
    inapplicable: forSink(),
    timeoutMs: 60_000,
    async run(trial) {
      const { carries } = trial.sink.harness;
      const place = await trial.sinkPlace();
      const sink = await openedSink(trial, place);
      const messages = payloadsFor(carries).map(({ name, payload }, index) =>
        nativeMessage(carries, payload, name, index),
      );
      await sink.write(messages);
      await sink.flush();
      await expectStored(place, messages);
    },
  },
  {
    title: 'a sink keeps keys and headers of any bytes as far as its system has them',
    area: 'write',
    inapplicable: forSink(({ harness: { carries } }) =>
      carries.key || carries.headers !== 'none' ? undefined : { because: 'its system has neither keys nor headers' },
    ),
    async run(trial) {
      const place = await trial.sinkPlace();
      const sink = await openedSink(trial, place);
      const messages = numbered(trial, 'a', 3).map((message, index) => ({ ...message, ...oddities(trial)[index] }));
      await sink.write(messages);
      await sink.flush();
      await expectStored(place, messages);
    },
  },
  {
    title: 'a flush of nothing succeeds',
    area: 'write',
    inapplicable: forSink(),
    async run(trial) {
      const place = await trial.sinkPlace();
      const sink = await openedSink(trial, place);
      const messages = numbered(trial, 'a', 10);
      await sink.flush();
      await sink.write(messages);
      await sink.flush();
      await sink.flush();
      await expectStored(place, messages);
    },
  },
  {
    title: 'a write at the limits that a sink declares goes in one piece',
    area: 'write',
    inapplicable: forSink(({ capabilities: { limits } }) =>
      limits?.maxMessages === undefined ? { because: 'it declares no largest number of messages' } : undefined,
    ),
    async run(trial) {
      const place = await trial.sinkPlace();
      const sink = await openedSink(trial, place);
      const messages = numbered(trial, 'a', trial.sink.capabilities.limits?.maxMessages ?? 0);
      await sink.write(messages);
      await sink.flush();
      await expectStored(place, messages);
    },
  },
  {
    title: 'a write of the size that a sink prefers goes in one piece',
    area: 'write',
    inapplicable: forSink(),
    async run(trial) {
      const place = await trial.sinkPlace();
      const sink = await openedSink(trial, place);
      const { maxMessages, maxBytes } = trial.sink.capabilities.preferred;
      const payloadBytes = Math.min(100, trial.sink.harness.carries.maxPayloadBytes);
      // Half of the bytes for keys and headers, which count as well.
      const count = Math.min(maxMessages, Math.floor(maxBytes / 2 / payloadBytes));
      const messages = numberedMessages(trial.sink.harness.carries, { label: 'a', count, payloadBytes });
      await sink.write(messages);
      await sink.flush();
      await expectStored(place, messages);
    },
  },
  {
    title: 'a sink that is used without a pipeline stores what it was given before write resolves',
    area: 'write',
    inapplicable: forSink(),
    async run(trial) {
      const place = await trial.sinkPlace();
      const messages = numbered(trial, 'a', 20);
      const sink = await trial.within(trial.sinkOf(place).open({ name: trial.name }), 'opening the sink');
      trial.finally(() => sink.close());
      for (const end of [10, 20]) {
        await trial.within(sink.write(messages.slice(end - 10, end).map(asMessage)), 'a write');
        await expectStored(place, messages.slice(0, end));
      }
    },
  },
  {
    title: 'a sink has a claim and a flush when it is atomic, and no claim when it is not',
    area: 'write',
    inapplicable: forSink(),
    async run(trial) {
      const { claim, flush } = await trial.openSink(await trial.sinkPlace());
      const { atomic } = trial.sink.capabilities;
      if (atomic && (claim === undefined || flush === undefined))
        throw new Error('it says that it is atomic and has no claim or no flush');
      if (!atomic && claim !== undefined) throw new Error('it says that it is not atomic and has a claim');
    },
  },
  {
    title: 'a claim gives the positions that were flushed, of the partitions that it names and no others',
    area: 'write',
    inapplicable: forSink(({ capabilities: { atomic } }) => (atomic ? undefined : { because: 'it is not atomic' })),
    async run(trial) {
      const place = await trial.sinkPlace();
      const sink = await openedSink(trial, place);
      await sink.claim('a', 'b');
      await sink.write(numbered(trial, 'b', 10), 'b');
      await sink.flush();
      await sink.write(numbered(trial, 'a', 20), 'a');
      await sink.flush();
      await sink.flush({ a: 5 });
      await sink.close();
      const later = await openedSink(trial, place);
      expectPositions(await later.claim('a', 'b'), { a: 25, b: 10 });
      expectPositions(await later.claim('b'), { b: 10 });
      expectPositions(await later.claim('c'), {});
      expectPositions(await later.claim(), {});
    },
  },
  {
    title: 'what an atomic sink took over and did not flush is gone when it is claimed again',
    area: 'write',
    inapplicable: forSink(({ capabilities: { atomic } }) => (atomic ? undefined : { because: 'it is not atomic' })),
    async run(trial) {
      const place = await trial.sinkPlace();
      const messages = numbered(trial, 'a', 30);
      const sink = await openedSink(trial, place);
      await sink.write(messages.slice(0, 10));
      await sink.flush();
      await sink.write(messages.slice(10, 30));
      await sink.claim('a');
      await sink.write(messages.slice(10, 20));
      await sink.flush();
      await sink.write(messages.slice(20, 30));
      await sink.close();
      const later = await openedSink(trial, place);
      await later.write(messages.slice(20, 30));
      await later.flush();
      await expectStored(place, messages);
    },
  },
];

/** Keys and headers that are easily lost. */
function oddities(trial: Trial): Partial<NativeMessage>[] {
  const { key, headers } = trial.sink.harness.carries;
  const isKeyed = trial.sink.capabilities.idempotent === 'key';
  const every = Uint8Array.from({ length: 256 }, (_, index) => index);
  const repeats =
    headers === 'repeated'
      ? ([
          ['name', Buffer.from('3')],
          ['name', Buffer.from('2')],
        ] as const)
      : [];
  const odd: Required<Pick<NativeMessage, 'key' | 'headers'>>[] = [
    { key: isKeyed ? new Uint8Array([0]) : null, headers: [] },
    {
      key: every,
      headers: [
        ['every byte', every],
        ['empty', new Uint8Array()],
      ],
    },
    { key: Buffer.from('schlüssel'), headers: [['name', Buffer.from('1')], ...repeats, ['größe', Buffer.from('ß')]] },
  ];
  return odd.map((parts) => ({
    ...(key ? { key: parts.key } : {}),
    ...(headers === 'none' ? {} : { headers: parts.headers }),
  }));
}

function expectPositions(claimed: Checkpoint, expected: Readonly<Record<string, number>>): void {
  const found = Object.entries(claimed).map(([name, { position }]) => `${name} ${JSON.stringify(position)}`);
  const wanted = Object.entries(expected).map(([name, position]) => `${nameOf(name)} ${position}`);
  const [left, right] = [found, wanted].map((texts) => `[${texts.toSorted().join(', ')}]`);
  if (left !== right) throw new Error(`the claim gave ${left} instead of ${right}`);
}
