import type { SourceBatch } from '@sluice/core/driver';
import { expect, test, vi } from 'vitest';
import {
  batchOf,
  never,
  openPeer,
  openSink,
  openSource,
  readBatches,
  readMessages,
  readTexts,
  textOf,
} from './harness.js';

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

test('payloads arrive byte for byte, one message per datagram', async () => {
  await using source = await openSource();
  await using peer = await openPeer();
  const sent = [
    everyByte,
    Buffer.from('  leading, trailing \r\n'),
    Buffer.alloc(0),
    Buffer.from([0]),
    Buffer.from('\n\n'),
  ];
  for (const payload of sent) await peer.send(payload, source.port);
  const messages = await readMessages(source.driver, sent.length);
  expect(messages.map(({ payload }) => payload)).toEqual(sent);
});

test.each([0, 1, 1472, 65_507])('a datagram of %i bytes over IPv4 is not cut', async (size) => {
  await using source = await openSource();
  await using peer = await openPeer();
  const payload = Buffer.alloc(size, everyByte);
  await peer.send(payload, source.port);
  const [message] = await readMessages(source.driver, 1);
  expect(message?.payload).toEqual(payload);
});

test.each([65_508, 65_527])('a datagram of %i bytes over IPv6 is not cut', async (size) => {
  await using source = await openSource({ host: '::1' });
  await using peer = await openPeer('udp6');
  const payload = Buffer.alloc(size, everyByte);
  await peer.send(payload, source.port);
  const [message] = await readMessages(source.driver, 1);
  expect(message?.payload).toEqual(payload);
});

test('headers tell who sent a datagram', async () => {
  await using source = await openSource();
  await using first = await openPeer();
  await using second = await openPeer();
  await first.send('a', source.port);
  await second.send('b', source.port);
  await first.send('c', source.port);
  const messages = await readMessages(source.driver, 3);
  expect(messages.map(({ headers }) => headers)).toEqual(
    [first, second, first].map(({ port }) => [
      ['address', '127.0.0.1'],
      ['port', port],
      ['family', 'IPv4'],
    ]),
  );
});

test('IPv6 senders show in the headers', async () => {
  await using source = await openSource({ host: '::1' });
  await using peer = await openPeer('udp6');
  await peer.send('a', source.port);
  const [message] = await readMessages(source.driver, 1);
  expect(message?.headers).toEqual([
    ['address', '::1'],
    ['port', peer.port],
    ['family', 'IPv6'],
  ]);
});

test('a socket of both families receives IPv4, too, unless it is told not to', async () => {
  await using both = await openSource({ host: '::' });
  await using only6 = await openSource({ host: '::', ipv6Only: true });
  await using peer4 = await openPeer();
  await using peer6 = await openPeer('udp6');
  for (const { port } of [both, only6]) {
    await peer4.send('four', port);
    await peer6.send('six', port);
  }
  expect(await readTexts(both.driver, 2)).toEqual(['four', 'six']);
  expect(await readTexts(only6.driver, 1)).toEqual(['six']);
});

test('broadcasts are received', async () => {
  await using source = await openSource({ host: '0.0.0.0' });
  await using peer = await openPeer();
  peer.socket.setBroadcast(true);
  await peer.send('to all', source.port, '127.255.255.255');
  expect(await readTexts(source.driver, 1)).toEqual(['to all']);
});

test('a datagram above maxMessageBytes is whole, invalid, and named with its size', async () => {
  await using source = await openSource({ maxMessageBytes: 3 });
  await using peer = await openPeer();
  for (const payload of ['abc', 'abcd', 'abc']) await peer.send(payload, source.port);
  const batches = await readBatches(source.driver, 3);
  const { messages, failures } = joined(batches);
  expect(messages.map(textOf)).toEqual(['abc', 'abcd', 'abc']);
  expect(failures).toEqual([
    {
      index: 1,
      error: expect.objectContaining({ code: 'message_too_large', message: expect.stringContaining('4 bytes') }),
    },
  ]);
});

test('batches keep to the limits of the reader and say what they hold', async () => {
  await using source = await openSource();
  await using peer = await openPeer();
  const reading = readBatches(source.driver, 10, { maxMessages: 4, maxBytes: 25 });
  for (let index = 0; index < 10; index++) await peer.send('0123456789', source.port);
  for (const { messages, bytes } of await reading) {
    expect(messages.length).toBeLessThanOrEqual(2);
    expect(bytes).toBe(messages.length * 10);
  }
});

test('a burst comes in few batches, and a single datagram does not wait for more', async () => {
  await using source = await openSource({ gatherMs: 1000 });
  await using peer = await openPeer();
  const begun = performance.now();
  const first = readBatches(source.driver, 1);
  await peer.send('single', source.port);
  expect(joined(await first).messages).toHaveLength(1);
  expect(performance.now() - begun).toBeLessThan(500);

  const rest = readBatches(source.driver, 500);
  for (let index = 0; index < 500; index++) await peer.send('burst', source.port);
  expect(await rest).toHaveLength(1);
});

test('a pending read ends within a second of the abort', async () => {
  await using source = await openSource();
  const abort = new AbortController();
  const batches = source.driver.read('', undefined, { maxMessages: 10, maxBytes: 100, signal: abort.signal });
  const pending = batches[Symbol.asyncIterator]().next();
  const begun = performance.now();
  abort.abort();
  expect(await pending).toEqual({ done: true, value: undefined });
  expect(performance.now() - begun).toBeLessThan(1000);
});

test('an abort hands over what was gathered so far, then the read ends', async () => {
  await using source = await openSource({ gatherMs: 1000 });
  await using peer = await openPeer();
  const abort = new AbortController();
  const options = { maxMessages: 10, maxBytes: 100, signal: abort.signal };
  const batches = source.driver.read('', undefined, options)[Symbol.asyncIterator]();
  await peer.send('goes on at once', source.port);
  expect(await batches.next()).toMatchObject({ value: { bytes: 15 } });
  const pending = batches.next();
  const arrived: unknown[] = [];
  source.socket.on('message', (payload) => arrived.push(payload));
  for (const text of ['gathered', 'datagram']) await peer.send(text, source.port);
  await vi.waitFor(() => expect(arrived).toHaveLength(2), { interval: 5 });
  abort.abort();
  expect(await pending).toMatchObject({ value: { bytes: 16 } });
  expect(await batches.next()).toEqual({ done: true, value: undefined });
});

test('what comes between two reads is kept for the second one', async () => {
  await using source = await openSource();
  await using peer = await openPeer();
  await peer.send('first', source.port);
  expect(await readMessages(source.driver, 1)).toHaveLength(1);
  await peer.send('between', source.port);
  await vi.waitFor(async () => {
    expect(await readTexts(source.driver, 1)).toEqual(['between']);
  });
});

test('datagrams received, kept back and lost are counted, and the first loss is told', async () => {
  await using source = await openSource({ queueMaxMessages: 5 });
  await using peer = await openPeer();
  for (let index = 0; index < 20; index++) await peer.send(`${index}`, source.port);
  await vi.waitFor(() => expect(source.metrics.get('received')).toBe(20), { timeout: 5000 });
  expect(source.metrics.get('droppedByQueue')).toBe(15);
  expect(source.notices.filter((text) => text.includes('droppedByQueue'))).toHaveLength(1);
  expect(await readTexts(source.driver, 5)).toEqual(['0', '1', '2', '3', '4']);
});

test('a waiting reader gets what is gathered before a small queue overflows', async () => {
  await using source = await openSource({ gatherMs: 1000, queueMaxMessages: 10, queueMaxBytes: 100 });
  await using peer = await openPeer();
  const reading = readBatches(source.driver, 101);
  for (let index = 0; index < 60; index++) await peer.send('1', source.port);
  for (let index = 0; index < 41; index++) await peer.send('20 bytes in all, yes', source.port);
  await reading;
  expect(source.metrics.get('droppedByQueue')).toBe(0);
});

test('the queue is bounded in bytes, too', async () => {
  await using source = await openSource({ queueMaxBytes: 1000 });
  await using peer = await openPeer();
  for (let index = 0; index < 10; index++) await peer.send(Buffer.alloc(300), source.port);
  await vi.waitFor(() => expect(source.metrics.get('droppedByQueue')).toBe(7), { timeout: 5000 });
});

test('what nobody took before close counts as lost', async () => {
  const source = await openSource();
  await using peer = await openPeer();
  for (let index = 0; index < 3; index++) await peer.send('x', source.port);
  await vi.waitFor(() => expect(source.metrics.get('received')).toBe(3), { timeout: 5000 });
  expect(source.metrics.get('droppedByQueue')).toBe(0);
  await source.driver.close();
  expect(source.metrics.get('droppedByQueue')).toBe(3);
});

test('nothing stays open after close', async () => {
  const source = await openSource();
  await using sink = await openSink({ host: '127.0.0.1', port: source.port });
  await sink.write(batchOf([{ payload: Buffer.from('x') }]), never);
  await readMessages(source.driver, 1);
  await source.driver.close();
  await sink.close();
  await vi.waitFor(() => expect(process.getActiveResourcesInfo()).not.toContain('UDPWRAP'));
});

test('close can be repeated, ends a pending read and frees the port', async () => {
  const source = await openSource();
  const abort = new AbortController();
  const options = { maxMessages: 10, maxBytes: 100, signal: abort.signal };
  const pending = source.driver.read('', undefined, options)[Symbol.asyncIterator]().next();
  await Promise.all([source.driver.close(), source.driver.close()]);
  expect(await pending).toEqual({ done: true, value: undefined });
  await source.driver.close();
  await using again = await openSource({ port: source.port });
  expect(again.port).toBe(source.port);
});

test('a port in use is an error of the bind that names it', async () => {
  await using peer = await openPeer();
  await expect(openSource({ port: peer.port })).rejects.toMatchObject({ code: 'EADDRINUSE', port: peer.port });
});

test('an error of the socket fails the read', async () => {
  await using source = await openSource();
  const reading = readMessages(source.driver, 1);
  source.socket.emit('error', new Error('the interface went away'));
  await expect(reading).rejects.toThrow('the interface went away');
});

test('a host that cannot be bound leaves nothing open', async () => {
  await expect(openSource({ host: '192.0.2.99' })).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
  await expect(openSource({ host: 'nosuch.invalid' })).rejects.toMatchObject({ code: 'ENOTFOUND' });
});

function joined(batches: readonly SourceBatch[]): {
  messages: SourceBatch['messages'];
  failures: SourceBatch['failures'];
} {
  const messages: SourceBatch['messages'][number][] = [];
  const failures: { index: number; error: unknown }[] = [];
  for (const batch of batches) {
    for (const { index, error } of batch.failures ?? []) failures.push({ index: index + messages.length, error });
    messages.push(...batch.messages);
  }
  return { messages, failures };
}
