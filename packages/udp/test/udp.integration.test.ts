import type { Socket } from 'node:dgram';
import { map, pipeline, withPayload } from '@sluice/core';
import { expect, test, vi } from 'vitest';
import { udp } from '../src/index.js';
import { never, openPeer, textOf } from './harness.js';

test('a pipeline answers every datagram to its sender', async () => {
  await using four = await openPeer();
  await using six = await openPeer('udp6');
  const abort = new AbortController();
  const opened = Promise.withResolvers<Socket>();
  const echo = pipeline({
    name: 'echo',
    source: udp.source({ host: '::', port: 0 }, { onSocket: opened.resolve }),
    transforms: [map((message) => withPayload(message, Buffer.from(`${textOf(message)}!`)))],
    sink: udp.sink({ address: '{headers.address}:{headers.port}' }),
  });
  const running = echo.run({ signal: abort.signal });
  const { port } = (await opened.promise).address();
  for (let index = 0; index < 100; index++) {
    await four.send(`four ${index}`, port);
    await six.send(`six ${index}`, port);
  }
  for (const [peer, name] of [
    [four, 'four'],
    [six, 'six'],
  ] as const) {
    await vi.waitFor(() => expect(peer.received).toHaveLength(100), { timeout: 10_000 });
    expect(peer.received.map(({ payload }) => payload.toString())).toEqual(
      Array.from({ length: 100 }, (_, index) => `${name} ${index}!`),
    );
  }
  abort.abort();
  const stats = await running;
  expect(stats).toMatchObject({ received: 200, written: 200, unsettled: 0 });
  expect(stats.connectors).toMatchObject({ 'source.received': 200, 'source.droppedByQueue': 0 });
});

test('a pipeline whose port is in use stops at once and says what to do', async () => {
  await using peer = await openPeer();
  const blocked = pipeline({
    name: 'blocked',
    source: udp.source({ host: '127.0.0.1', port: peer.port }),
    sink: udp.sink({ host: '127.0.0.1', port: 9 }),
  });
  await expect(blocked.run({ signal: never })).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringMatching(`^udp source could not open: 127.0.0.1:${peer.port} is in use. .*reusePort`),
  });
});

test('check tells whether the port can be bound, and leaves it free', async () => {
  const peer = await openPeer();
  await expect(udp.source({ host: '127.0.0.1', port: peer.port }).check()).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining(`127.0.0.1:${peer.port} is in use`),
  });
  const { port } = peer;
  await peer[Symbol.asyncDispose]();
  await udp.source({ host: '127.0.0.1', port }).check();
  await udp.source({ host: '127.0.0.1', port }).check();
});

test('check of a sink looks the host up', async () => {
  await udp.sink({ host: 'localhost', port: 9 }).check();
  await udp.sink({ address: '{headers.address}:{headers.port}' }).check();
  await expect(udp.sink({ host: 'nosuch.invalid', port: 9 }).check()).rejects.toMatchObject({
    code: 'not_connected',
    message: expect.stringContaining('"nosuch.invalid"'),
  });
});

test('a sink that is used without a pipeline sends what can be sent and names the rest', async () => {
  await using peer = await openPeer();
  const sink = await udp.sink({ host: '127.0.0.1', port: peer.port }).open();
  await expect(sink.write([{ payload: Buffer.alloc(65_508) }, { payload: Buffer.from('fits') }])).rejects.toMatchObject(
    {
      failures: [{ index: 0, error: { code: 'message_too_large', message: expect.stringContaining('65508 bytes') } }],
    },
  );
  await sink.close();
  await vi.waitFor(() => expect(peer.received.map(({ payload }) => payload.toString())).toEqual(['fits']));
});
