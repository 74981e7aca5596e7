import { createMessage, type Message, type Operation } from '@sluice/core/driver';
import type { Behaviour } from './behaviour.js';
import type { NativeMessage } from './harness.js';
import { numbered } from './native-messages.js';
import { openedSink } from './opened-sink.js';
import { asMessage, expectStored } from './stored-messages.js';
import { forSink, isUnable } from './subject.js';

/** What depends on the kind of sink: overlap, idempotence, operations. */
export const writeKindBehaviours: readonly Behaviour[] = [
  {
    title: 'writes of different source partitions may be under way at the same time',
    area: 'write',
    inapplicable: forSink(({ capabilities }) =>
      capabilities.overlap === 'none' ? { because: 'it takes one write at a time' } : undefined,
    ),
    async run(trial) {
      const place = await trial.sinkPlace();
      const sink = await openedSink(trial, place);
      const names = Array.from({ length: trial.sink.capabilities.preferred.maxInFlight }, (_, index) => `p${index}`);
      await sink.claim(...names);
      const written = new Map(names.map((name) => [name, numbered(trial, name, 50)]));
      for (let from = 0; from < 50; from += 10)
        await Promise.all([...written].map(([name, messages]) => sink.write(messages.slice(from, from + 10), name)));
      await sink.flush();
      await expectStored(place, written);
    },
  },
  {
    title: 'writes of one source partition that are under way at the same time keep its order',
    area: 'write',
    inapplicable: forSink(({ capabilities }) => unlessOrdered(capabilities.overlap)),
    async run(trial) {
      const place = await trial.sinkPlace();
      const sink = await openedSink(trial, place);
      const { maxInFlight } = trial.sink.capabilities.preferred;
      const messages = numbered(trial, 'a', 10 * maxInFlight);
      const writes = Array.from({ length: maxInFlight }, (_, index) =>
        sink.write(messages.slice(index * 10, index * 10 + 10)),
      );
      await Promise.all(writes);
      await sink.flush();
      await expectStored(place, messages);
    },
  },
  {
    title: 'when a write fails, every later one under way of its source partition fails too',
    area: 'write',
    inapplicable: forSink(
      ({ capabilities, harness }) =>
        unlessOrdered(capabilities.overlap) ?? (isUnable(harness.refused) ? harness.refused : undefined),
    ),
    async run(trial) {
      const { refused } = trial.sink.harness;
      if (isUnable(refused)) throw new Error(refused.because);
      const place = await trial.sinkPlace();
      const sink = await openedSink(trial, place);
      const messages = numbered(trial, 'a', 30);
      const second = [...messages.slice(10, 15), refused()];
      const writes = [messages.slice(0, 10), second, messages.slice(15, 30)].map((part) => sink.write(part));
      const [first, failed, later] = await Promise.allSettled(writes);
      if (first?.status !== 'fulfilled') throw new Error('the write before the failed one failed');
      if (failed?.status !== 'rejected') throw new Error('the write of a refused message succeeded');
      if (later?.status !== 'rejected')
        throw new Error('the write after the failed one succeeded, so the order is lost');
    },
  },
  {
    title: 'a message that is written twice under one key is stored once',
    area: 'write',
    inapplicable: forSink(({ capabilities }) =>
      capabilities.idempotent === 'key' ? undefined : { because: 'it is not idempotent' },
    ),
    async run(trial) {
      const place = await trial.sinkPlace();
      const sink = await openedSink(trial, place);
      const messages = numbered(trial, 'a', 20);
      await sink.write(messages.slice(0, 15));
      await sink.flush();
      await sink.write(messages.slice(5));
      await sink.write(messages.slice(10));
      await sink.flush();
      await expectStored(place, messages, { anyOrder: true });
      const changed = { ...messages[3], payload: Buffer.from('changed') };
      await sink.write([changed]);
      await sink.flush();
      await expectStored(place, messages.with(3, changed), { anyOrder: true });
    },
  },
  {
    title: 'a message that is written twice is stored twice by a sink that is not idempotent',
    area: 'write',
    inapplicable: forSink(({ capabilities }) =>
      capabilities.idempotent === 'key' ? { because: 'it is idempotent' } : undefined,
    ),
    async run(trial) {
      const place = await trial.sinkPlace();
      const sink = await openedSink(trial, place);
      const messages = numbered(trial, 'a', 5);
      await sink.write(messages);
      await sink.write(messages);
      await sink.flush();
      await expectStored(place, [...messages, ...messages], { anyOrder: true });
    },
  },
  {
    title: 'creates, updates and deletes change what is stored under their keys',
    area: 'write',
    inapplicable: forSink(({ capabilities }) =>
      capabilities.changes ? undefined : { because: 'it takes no operations' },
    ),
    async run(trial) {
      const place = await trial.sinkPlace();
      const sink = await openedSink(trial, place);
      const [kept, updated, deleted] = numbered(trial, 'a', 3);
      if (kept === undefined || updated === undefined || deleted === undefined) throw new Error('three were made');
      await sink.writeMessages([changed('create', kept), changed('snapshot', updated), changed('create', deleted)]);
      await sink.flush();
      await expectStored(place, [kept, updated, deleted], { anyOrder: true });
      const after = { ...updated, payload: kept.payload };
      await sink.writeMessages([changed('update', after), changed('delete', deleted)]);
      await sink.flush();
      await expectStored(place, [kept, after], { anyOrder: true });
    },
  },
];

function unlessOrdered(overlap: 'none' | 'partitions' | 'ordered'): { readonly because: string } | undefined {
  return overlap === 'ordered' ? undefined : { because: 'it takes one write of a source partition at a time' };
}

function changed(operation: Operation, message: NativeMessage): Message {
  const { payload, ...rest } = asMessage(message);
  return createMessage({ ...rest, operation, payload: operation === 'delete' ? null : payload });
}
