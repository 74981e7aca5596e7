import type { Behaviour } from './behaviour.js';
import type { NativeMessage } from './harness.js';
import { numbered } from './native-messages.js';
import { openedSink } from './opened-sink.js';
import { expectStored } from './stored-messages.js';
import { forSink } from './subject.js';
import { expectRefused } from './write-failures.js';

/** What a sink does that stores by key. */
export const keyedWriteBehaviours: readonly Behaviour[] = [
  {
    title: 'a message without payload deletes what is stored under its key',
    area: 'write',
    inapplicable: forKeyedSink(),
    async run(trial) {
      const place = await trial.sinkPlace();
      const sink = await openedSink(trial, place);
      const messages = numbered(trial, 'a', 6);
      await sink.write(messages.slice(0, 5));
      await sink.flush();
      // The sixth was never there.
      await sink.write([deletes(messages[1]), deletes(messages[3]), deletes(messages[5])]);
      await sink.flush();
      await expectStored(place, pick(messages, [0, 2, 4]), { anyOrder: true });
    },
  },
  {
    title: 'of several messages with one key in one write the last one counts',
    area: 'write',
    inapplicable: forKeyedSink(),
    async run(trial) {
      const place = await trial.sinkPlace();
      const sink = await openedSink(trial, place);
      const messages = numbered(trial, 'a', 4);
      const [changed, gone, back] = messages;
      await sink.write([
        ...messages.map((message) => ({ ...message, payload: Buffer.from('earlier') })),
        ...messages,
        deletes(gone),
        deletes(back),
        { ...back, payload: Buffer.from('back') },
        { ...changed, payload: Buffer.from('changed') },
      ]);
      await sink.flush();
      const expected = [
        { ...changed, payload: Buffer.from('changed') },
        { ...back, payload: Buffer.from('back') },
        ...messages.slice(3),
      ];
      await expectStored(place, expected, { anyOrder: true });
    },
  },
  {
    title: 'a sink that stores by key refuses a message without one',
    area: 'write',
    inapplicable: forKeyedSink(),
    async run(trial) {
      const good = numbered(trial, 'a', 4);
      const without = good.slice(0, 1).map((message) => ({ ...message, key: null }));
      await expectRefused(trial, { written: [...good.slice(0, 2), ...without, ...good.slice(2)], wrong: [2], good });
    },
  },
];

function forKeyedSink(): Behaviour['inapplicable'] {
  return forSink(({ capabilities: { idempotent } }) =>
    idempotent === 'key' ? undefined : { because: 'it does not store by key' },
  );
}

function deletes(message: NativeMessage | undefined): NativeMessage {
  return { ...message, payload: null };
}

function pick(messages: readonly NativeMessage[], indexes: readonly number[]): NativeMessage[] {
  return messages.filter((_, index) => indexes.includes(index));
}
