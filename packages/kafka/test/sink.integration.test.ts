import { startKafka } from '@sluice/testkit';
import { Partitioners } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { readTopic } from './read-topic.js';
import { batchOf, bytes, classified, failuresOf, never, numbers, useSinkWorld, values } from './sink-world.js';

const world = useSinkWorld(startKafka);

describe('what is stored', () => {
  it('is key, payload, headers with repeats, time, null and empty bytes as they were', async () => {
    const topic = await world.createTopic();
    const sink = await world.openSink({ topic });
    const everyByte = Uint8Array.from({ length: 256 }, (_, index) => index);
    const headers = [
      ['a', bytes('1')],
      ['b', bytes('2')],
      ['a', bytes('3')],
      ['none', null],
      ['7', bytes('')],
    ] as const;
    await sink.write(
      batchOf([
        { key: bytes('k'), payload: everyByte, timestamp: 1_700_000_000_000, headers },
        { key: bytes('k'), payload: null, timestamp: 1_600_000_000_000 },
        { key: 'text', payload: new Uint8Array(), timestamp: 5 },
        { key: null, payload: bytes('x'), timestamp: 1_750_000_000_000.7 },
      ]),
      never,
    );
    const [stored] = await readTopic(world.server, topic);
    expect(stored?.map(({ key, value, timestamp }) => [key?.toString(), value?.toString('hex'), timestamp])).toEqual([
      ['k', Buffer.from(everyByte).toString('hex'), '1700000000000'],
      ['k', undefined, '1600000000000'],
      ['text', '', '5'],
      [undefined, '78', '1750000000000'],
    ]);
    expect(Object.entries(stored?.[0]?.headers ?? {})).toEqual(
      Object.entries({ a: [bytes('1'), bytes('3')], b: bytes('2'), none: null, 7: bytes('') }),
    );
  });

  it('has topic, key, partition, headers and time from templates', async () => {
    const topic = await world.createTopic(3);
    const sink = await world.openSink({
      topic: '{headers.to}',
      key: '{payload.id}',
      partition: '{payload.shard}',
      headers: { origin: '{topic}', to: 'replaced' },
      timestamp: '{payload.at}',
    });
    // Templates look into decoded payloads; a sink of bytes gets what its codec has made, so this one has both.
    const failures = await failuresOf(
      sink.write(batchOf([{ topic: 'from', headers: [['to', topic]], payload: bytes('{}') }]), never),
    );
    expect(failures.map(([index, code]) => [index, code])).toEqual([[0, 'message_invalid']]);

    const plain = await world.openSink({
      topic: '{headers.to}',
      key: '{key}!',
      partition: '{headers.shard}',
      headers: { origin: '{topic}', to: 'replaced' },
      timestamp: '{headers.at}',
    });
    await plain.write(
      batchOf([
        {
          topic: 'from',
          key: 'a',
          headers: [
            ['to', topic],
            ['shard', 2],
            ['at', '2020-01-01T00:00:00Z'],
          ],
          payload: bytes('1'),
        },
        {
          topic: 'from',
          key: 'b',
          headers: [
            ['to', topic],
            ['shard', 0],
            ['at', 7],
          ],
          payload: bytes('2'),
        },
      ]),
      never,
    );
    const stored = await readTopic(world.server, topic);
    expect(stored.map((records) => records.map(({ key, timestamp }) => [key?.toString(), timestamp]))).toEqual([
      [['b!', '7']],
      [],
      [['a!', '1577836800000']],
    ]);
    expect(stored[2]?.[0]?.headers).toEqual({
      shard: bytes('2'),
      at: bytes('2020-01-01T00:00:00Z'),
      origin: bytes('from'),
      to: bytes('replaced'),
    });
  });

  it('lies in the partition that other clients would choose for the key', async () => {
    const [ours, theirs] = [await world.createTopic(7), await world.createTopic(7)];
    const keys = numbers(200).map((each) => `key ${each}`);
    const sink = await world.openSink({ topic: ours });
    await sink.write(batchOf(keys.map((key) => ({ key, payload: bytes(key) }))), never);
    const producer = world.server.native.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    await producer.send({ topic: theirs, messages: keys.map((key) => ({ key, value: key })) });
    await producer.disconnect();
    const placed = (await readTopic(world.server, ours)).map(values);
    expect(placed.filter((partition) => partition.length > 0).length).toBeGreaterThan(3);
    // Not how often: on a new topic kafkajs's producer may be refused by one partition and then sends to all of them again.
    expect(placed).toEqual((await readTopic(world.server, theirs)).map((stored) => [...new Set(values(stored))]));
  });

  it('keeps its order in each partition when writes overlap', async () => {
    const topic = await world.createTopic(3);
    const sink = await world.openSink({ topic });
    const writes = Array.from({ length: 20 }, (_, turn) =>
      sink.write(
        batchOf(numbers(50, turn * 50).map((value) => ({ key: `k${Number(value) % 11}`, payload: bytes(value) }))),
        never,
      ),
    );
    await Promise.all(writes);
    const stored = (await readTopic(world.server, topic)).map((records) => values(records).map(Number));
    expect(stored.flat().toSorted((a, b) => a - b)).toEqual(numbers(1000).map(Number));
    for (const partition of stored) expect(partition).toEqual(partition.toSorted((a, b) => a - b));
  });

  it.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)(
    'is readable when it was compressed with %s',
    async (compression) => {
      const topic = await world.createTopic();
      const sink = await world.openSink({ topic, compression });
      const payloads = numbers(300).map((each) => `${each} ${'abc'.repeat(100)}`);
      await Promise.all([
        sink.write(batchOf(payloads.slice(0, 200).map((each) => ({ payload: bytes(each) }))), never),
        sink.write(batchOf(payloads.slice(200).map((each) => ({ payload: bytes(each) }))), never),
      ]);
      const [stored] = await readTopic(world.server, topic);
      expect(values(stored)).toEqual(payloads);
    },
  );

  it('may be acknowledged by the leader alone, without idempotence', async () => {
    const topic = await world.createTopic();
    const sink = await world.openSink({ topic, acks: 'leader', idempotent: false });
    await sink.write(batchOf([{ payload: bytes('x') }]), never);
    expect((await readTopic(world.server, topic)).map(values)).toEqual([['x']]);
  });
});

describe('what is refused', () => {
  it('is exactly the message that is too large, and the others are written in order', async () => {
    const topic = await world.createTopic(1, { 'max.message.bytes': '20000' });
    const sink = await world.openSink({ topic });
    const messages = numbers(100).map((each) => ({ payload: bytes(each === '41' ? 'x'.repeat(30_000) : each) }));
    const failures = await failuresOf(sink.write(batchOf(messages), never));
    expect(failures.map(([index, code]) => [index, code])).toEqual([[41, 'message_too_large']]);
    expect(failures[0]?.[2]).toContain(topic);
    expect((await readTopic(world.server, topic)).map(values)).toEqual([numbers(100).filter((each) => each !== '41')]);
  });

  it('is not a batch of small messages that is larger than the topic takes', async () => {
    const topic = await world.createTopic(1, { 'max.message.bytes': '20000' });
    const sink = await world.openSink({ topic });
    const payloads = numbers(200).map((each) => each.padEnd(1000));
    await sink.write(batchOf(payloads.map((each) => ({ payload: bytes(each) }))), never);
    expect((await readTopic(world.server, topic)).map(values)).toEqual([payloads]);
  });

  it('is a message above what a request may have, before it is sent', async () => {
    const topic = await world.createTopic();
    const sink = await world.openSink({ topic, maxRequestBytes: 50_000 });
    const write = sink.write(
      batchOf([{ payload: bytes('a') }, { payload: Buffer.alloc(60_000) }, { payload: bytes('b') }]),
      never,
    );
    expect((await failuresOf(write)).map(([index, code]) => [index, code])).toEqual([[1, 'message_too_large']]);
    expect((await readTopic(world.server, topic)).map(values)).toEqual([['a', 'b']]);
  });

  it('is a message without a key for a compacted topic, and one from the far future', async () => {
    const compacted = await world.createTopic(1, { 'cleanup.policy': 'compact' });
    const sink = await world.openSink({ topic: compacted });
    const write = sink.write(
      batchOf([
        { key: 'a', payload: bytes('1') },
        { key: null, payload: bytes('2') },
        { key: 'c', payload: bytes('3') },
        { key: null, payload: bytes('4') },
        { key: 'd', payload: bytes('5'), timestamp: Date.now() + 100 * 86_400_000 },
      ]),
      never,
    );
    expect((await failuresOf(write)).map(([index, code]) => [index, code])).toEqual([
      [1, 'message_invalid'],
      [3, 'message_invalid'],
      [4, 'message_invalid'],
    ]);
    expect((await readTopic(world.server, compacted)).map(values)).toEqual([['1', '3']]);
  });

  it('is a topic that does not exist, by name', async () => {
    const error = await world.openSink({ topic: 'no-such-topic' }).catch((thrown: unknown) => thrown);
    expect(classified(error)).toEqual({ code: 'not_found', message: expect.stringContaining('"no-such-topic"') });

    const topic = await world.createTopic();
    const sink = await world.openSink({ topic: '{topic}' });
    const write = sink.write(
      batchOf([
        { topic, payload: bytes('1') },
        { topic: 'no-such-topic-either', payload: bytes('2') },
        { topic: 'not a topic', payload: bytes('3') },
      ]),
      never,
    );
    expect(await failuresOf(write)).toEqual([
      [1, 'not_found', expect.stringContaining('"no-such-topic-either"')],
      [2, 'message_invalid', expect.stringContaining('"not a topic"')],
    ]);
    expect((await readTopic(world.server, topic)).map(values)).toEqual([['1']]);
  });

  it('is a partition that the topic does not have', async () => {
    const topic = await world.createTopic(2);
    const sink = await world.openSink({ topic, partition: '{headers.p}' });
    const write = sink.write(
      batchOf([
        { headers: [['p', 1]], payload: bytes('1') },
        { headers: [['p', 2]], payload: bytes('2') },
      ]),
      never,
    );
    expect(await failuresOf(write)).toEqual([[1, 'message_invalid', expect.stringContaining('no partition 2')]]);
  });
});
