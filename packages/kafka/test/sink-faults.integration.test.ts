import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { breakKafka, startKafka } from '@sluice/testkit';
import { expect, it } from 'vitest';
import { readTopic } from './read-topic.js';
import { batchOf, bytes, classified, never, numbers, useSinkWorld, values } from './sink-world.js';

const world = useSinkWorld(startKafka);

it('stores once what the broker stored before its answer got lost', async () => {
  const topic = await world.createTopic(2);
  const sink = await world.openSink({ topic });
  await sink.write(batchOf([{ key: 'a', payload: bytes('0') }]), never);
  using fault = breakKafka(world.server.proxy, { request: 'Produce', fault: 'lose-answer', times: 2 });
  const writes = [1, 2, 3, 4].map((turn) =>
    sink.write(batchOf(numbers(10, turn * 10).map((value) => ({ key: `k${value}`, payload: bytes(value) }))), never),
  );
  await Promise.all(writes);
  expect(fault.struck).toBe(2);
  const stored = (await readTopic(world.server, topic)).map((records) => values(records).map(Number));
  expect(stored.flat().toSorted((a, b) => a - b)).toEqual([0, ...numbers(40, 10).map(Number)]);
  for (const partition of stored) expect(partition).toEqual(partition.toSorted((a, b) => a - b));
});

it('lets go of a write within a second of its abort, fails what is behind it, and stays usable', async () => {
  const topic = await world.createTopic();
  const sink = await world.openSink({ topic });
  await sink.write(batchOf([{ payload: bytes('0') }]), never);
  await world.server.proxy.cut('hang');
  try {
    const abort = new AbortController();
    const first = sink.write(batchOf([{ payload: bytes('1') }]), abort.signal);
    const second = sink.write(batchOf([{ payload: bytes('2') }]), never);
    abort.abort();
    const started = performance.now();
    await expect(first).rejects.toThrow('aborted');
    await expect(second).rejects.toBeInstanceOf(Error);
    expect(performance.now() - started).toBeLessThan(1000);
  } finally {
    await world.server.proxy.restore();
  }
  await turnOfTheLoop(); // what came in the same one would count as behind it, too
  await sink.write(batchOf([{ payload: bytes('3') }]), never);
  expect(values((await readTopic(world.server, topic))[0])).toEqual(['0', '3']);
});

it('gives up after requestTimeoutMs with the reason, and with it what came behind', async () => {
  const topic = await world.createTopic();
  const sink = await world.openSink({ topic, requestTimeoutMs: 500, connectTimeoutMs: 300 });
  await sink.write(batchOf([{ payload: bytes('0') }]), never);
  await world.server.proxy.cut();
  try {
    const both = await Promise.allSettled(
      ['1', '2'].map((value) => sink.write(batchOf([{ payload: bytes(value) }]), never)),
    );
    for (const each of both) expect(each.status === 'rejected' && classified(each.reason).code).toBe('not_connected');
  } finally {
    await world.server.proxy.restore();
  }
});

it('can be closed twice, and rejects what is under way', async () => {
  const topic = await world.createTopic();
  const sink = await world.openSink({ topic });
  await world.server.proxy.cut('hang');
  const write = sink.write(batchOf([{ payload: bytes('1') }]), never);
  await Promise.all([sink.close(), expect(write).rejects.toThrow('closed')]);
  await sink.close();
  await world.server.proxy.restore();
});
