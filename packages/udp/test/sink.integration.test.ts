import { once } from 'node:events';
import { BatchError } from '@sluice/core/driver';
import { expect, test, vi } from 'vitest';
import { classifyUdpError } from '../src/error.js';
import { batchOf, never, openPeer, openSink, type Peer } from './harness.js';

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

async function receive(peer: Peer, count: number): Promise<Buffer[]> {
  await vi.waitFor(() => expect(peer.received).toHaveLength(count), { timeout: 5000 });
  return peer.received.map(({ payload }) => payload);
}

test('each message leaves as one datagram, byte for byte and in order', async () => {
  await using peer = await openPeer();
  await using sink = await openSink({ host: '127.0.0.1', port: peer.port });
  const payloads = [
    everyByte,
    Buffer.from('  white space \r\n'),
    Buffer.alloc(0),
    Buffer.from('\0'),
    new Uint8Array([1, 2]),
  ];
  await sink.write(batchOf(payloads.map((payload) => ({ payload }))), never);
  expect(await receive(peer, 5)).toEqual(payloads.map((payload) => Buffer.from(payload)));
});

test('one write after another sends everything once', async () => {
  await using peer = await openPeer();
  await using sink = await openSink({ host: '127.0.0.1', port: peer.port });
  for (let write = 0; write < 20; write++) {
    await sink.write(
      batchOf(Array.from({ length: 50 }, (_, index) => ({ payload: Buffer.from(`${write}.${index}`) }))),
      never,
    );
    await receive(peer, (write + 1) * 50);
  }
  expect(new Set(peer.received.map(({ payload }) => String(payload))).size).toBe(1000);
});

test.each([
  ['udp4', '127.0.0.1', 65_507],
  ['udp6', '::1', 65_527],
] as const)('over %s the limit of a payload is that of the address family', async (type, host, limit) => {
  await using peer = await openPeer(type);
  await using sink = await openSink({ host, port: peer.port });
  const payloads = [
    Buffer.from('before'),
    Buffer.alloc(limit, everyByte),
    Buffer.alloc(limit + 1),
    Buffer.from('after'),
  ];
  const error = await sink
    .write(batchOf(payloads.map((payload) => ({ payload }))), never)
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(BatchError);
  expect(error).toMatchObject({
    failures: [
      { index: 2, error: { code: 'message_too_large', message: expect.stringContaining(`${limit + 1} bytes`) } },
    ],
  });
  expect(await receive(peer, 3)).toEqual([payloads[0], payloads[1], payloads[3]]);
});

test('a payload above maxMessageBytes is invalid with its size', async () => {
  await using peer = await openPeer();
  await using sink = await openSink({ host: '127.0.0.1', port: peer.port, maxMessageBytes: 3 });
  const writing = sink.write(batchOf([{ payload: Buffer.from('abcd') }, { payload: Buffer.from('abc') }]), never);
  await expect(writing).rejects.toMatchObject({
    failures: [{ index: 0, error: { message: expect.stringContaining('4 bytes') } }],
  });
  expect((await receive(peer, 1)).map(String)).toEqual(['abc']);
});

test('a message without payload is invalid and the others are sent', async () => {
  await using peer = await openPeer();
  await using sink = await openSink({ host: '127.0.0.1', port: peer.port });
  const writing = sink.write(batchOf([{ payload: null }, { payload: Buffer.from('x') }, { payload: 'text' }]), never);
  await expect(writing).rejects.toMatchObject({
    failures: [
      { index: 0, error: { code: 'message_invalid' } },
      { index: 2, error: { code: 'message_invalid' } },
    ],
  });
  expect((await receive(peer, 1)).map(String)).toEqual(['x']);
});

test('an address template sends each message to its own place, over both families', async () => {
  await using four = await openPeer();
  await using six = await openPeer('udp6');
  await using sink = await openSink({ address: '{headers.address}:{headers.port}' });
  const to = (address: string, port: number, text: string) => ({
    headers: [['address', address] as const, ['port', port] as const],
    payload: Buffer.from(text),
  });
  await sink.write(
    batchOf([
      to('127.0.0.1', four.port, 'a'),
      to('[::1]', six.port, 'b'),
      to('::1', six.port, 'c'),
      to('localhost', four.port, 'd'),
    ]),
    never,
  );
  expect((await receive(four, 2)).map(String)).toEqual(['a', 'd']);
  expect((await receive(six, 2)).map(String)).toEqual(['b', 'c']);
});

test('a message whose address cannot be made or is none is invalid and the others are sent', async () => {
  await using peer = await openPeer();
  await using sink = await openSink({ address: '{headers.to}' });
  const payload = Buffer.from('x');
  const addressed = (to: string) => ({ payload, headers: [['to', to] as const] });
  const messages = [
    { payload },
    addressed('nonsense'),
    addressed('nosuch.invalid:1'),
    addressed(`127.0.0.1:${peer.port}`),
  ];
  await expect(sink.write(batchOf(messages), never)).rejects.toMatchObject({
    failures: [0, 1, 2].map((index) => ({ index, error: { code: 'message_invalid' } })),
  });
  expect(await receive(peer, 1)).toEqual([payload]);
});

test('broadcasting has to be allowed', async () => {
  await using peer = await openPeer('udp4', '0.0.0.0');
  const to = { host: '127.255.255.255', port: peer.port };
  const refused = await openSink(to).catch((error: unknown) => error);
  expect(classifyUdpError(refused)).toMatchObject({
    code: 'permission_denied',
    message: expect.stringContaining('broadcast: true'),
  });

  await using sink = await openSink({ ...to, broadcast: true });
  await sink.write(batchOf([{ payload: Buffer.from('to all') }]), never);
  expect((await receive(peer, 1)).map(String)).toEqual(['to all']);
});

test('a port where nobody listens fails the write or the next one as not connected', async () => {
  const gone = await openPeer();
  await gone[Symbol.asyncDispose]();
  await using sink = await openSink({ host: '127.0.0.1', port: gone.port });
  const message = { payload: Buffer.from('x') };
  const error = await sink.write(batchOf([message, message]), never).catch((thrown: unknown) => thrown);
  expect(classifyUdpError(error)).toMatchObject({
    code: 'not_connected',
    message: expect.stringContaining('nobody listens'),
  });
});

test('a refusal that comes between two writes fails the second one, and the socket can be used again', async () => {
  const gone = await openPeer();
  await gone[Symbol.asyncDispose]();
  await using sink = await openSink({ host: '127.0.0.1', port: gone.port });
  const single = batchOf([{ payload: Buffer.from('x') }]);
  const refused = sink.sockets.map((socket) => once(socket, 'error'));
  await sink.write(single, never);
  expect(await Promise.all(refused)).toHaveLength(1);
  await expect(sink.write(single, never)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await sink.write(single, never);
});

test('a way that is broken for every message fails the write as a whole, for some only these', async () => {
  await using peer = await openPeer();
  await using sink = await openSink({ address: '{headers.to}' });
  const payload = Buffer.from('x');
  // Loopback has no route for multicast of IPv6.
  const unreachable = { payload, headers: [['to', '[ff02::1%lo]:9'] as const] };
  const reachable = { payload, headers: [['to', `127.0.0.1:${peer.port}`] as const] };
  const whole = await sink.write(batchOf([unreachable, unreachable]), never).catch((thrown: unknown) => thrown);
  expect(classifyUdpError(whole)).toMatchObject({ code: 'not_connected' });
  await expect(sink.write(batchOf([reachable, unreachable]), never)).rejects.toMatchObject({
    failures: [{ index: 1, error: { code: 'ENETUNREACH' } }],
  });
  await expect(sink.write(batchOf([unreachable, { ...reachable, payload: null }]), never)).rejects.toMatchObject({
    failures: [
      { index: 0, error: { code: 'ENETUNREACH' } },
      { index: 1, error: { code: 'message_invalid' } },
    ],
  });
  expect(await receive(peer, 1)).toEqual([payload]);
});

test('an aborted write does not send', async () => {
  await using peer = await openPeer();
  await using sink = await openSink({ host: '127.0.0.1', port: peer.port });
  const signal = AbortSignal.abort(new Error('stop'));
  await expect(sink.write(batchOf([{ payload: Buffer.from('late') }]), signal)).rejects.toThrow('stop');
  await sink.write(batchOf([{ payload: Buffer.from('on time') }]), never);
  expect((await receive(peer, 1)).map(String)).toEqual(['on time']);
});

test('close can be repeated, and a write after it fails', async () => {
  await using peer = await openPeer();
  const sink = await openSink({ host: '127.0.0.1', port: peer.port });
  await Promise.all([sink.close(), sink.close()]);
  const error = await sink.write(batchOf([{ payload: Buffer.from('x') }]), never).catch((thrown: unknown) => thrown);
  expect(classifyUdpError(error)).toMatchObject({ code: 'closed' });
});

test('a host that cannot be found is an error of the resolver', async () => {
  await expect(openSink({ host: 'nosuch.invalid', port: 1 })).rejects.toMatchObject({ code: 'ENOTFOUND' });
});
