import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type OpenedSource, openPeer, openSource, readMessages, textOf } from './harness.js';

const lossDeadline = { timeout: 10_000 };

test('datagrams that the kernel dropped are counted, and the first loss is told', async () => {
  // The kernel raises it to its minimum, which holds a handful of datagrams.
  await using source = await openSource({ recvBufferBytes: 1 });
  await using peer = await openPeer();
  expect(source.metrics.get('droppedByKernel')).toBe(0);
  // Nothing is received before this loop ends, because sending does not give way to the event loop.
  await Promise.all(Array.from({ length: 100 }, () => peer.send(Buffer.alloc(1000), source.port)));
  await vi.waitFor(() => expect(source.metrics.get('droppedByKernel')).toBeGreaterThan(0), lossDeadline);
  await vi.waitFor(() => expect(counted(source)).toBe(100), lossDeadline);
  await source.driver.close();
  expect(counted(source)).toBe(100);
  expect(source.notices.filter((text) => text.includes('droppedByKernel'))).toHaveLength(1);
});

test('the last loss is counted when the source closes', async () => {
  const source = await openSource({ recvBufferBytes: 1 });
  await using peer = await openPeer();
  await Promise.all(Array.from({ length: 100 }, () => peer.send(Buffer.alloc(1000), source.port)));
  await source.driver.close();
  expect(source.metrics.get('droppedByKernel')).toBeGreaterThan(0);
  expect(source.metrics.get('received')).toBe(source.metrics.get('droppedByQueue'));
});

test('drops over IPv6 are counted, too', async () => {
  await using source = await openSource({ host: '::1', recvBufferBytes: 1 });
  await using peer = await openPeer('udp6');
  await Promise.all(Array.from({ length: 100 }, () => peer.send(Buffer.alloc(1000), source.port)));
  await vi.waitFor(() => expect(counted(source)).toBe(100), lossDeadline);
  expect(source.metrics.get('droppedByKernel')).toBeGreaterThan(0);
});

test('the receive buffer is as large as asked for where the system allows, and a notice tells where it does not', async () => {
  const limit = Number(await readFile('/proc/sys/net/core/rmem_max', 'latin1'));
  await using granted = await openSource({ recvBufferBytes: limit });
  expect(granted.socket.getRecvBufferSize()).toBe(2 * limit);
  expect(granted.notices.filter((text) => text.includes('receive buffer'))).toEqual([]);

  await using capped = await openSource({ recvBufferBytes: limit + 4096 });
  expect(capped.notices).toContainEqual(
    expect.stringMatching(
      new RegExp(`${limit} bytes instead of ${limit + 4096}.*net\\.core\\.rmem_max=${limit + 4096}`),
    ),
  );
});

test('two processes share a port: every datagram reaches one of them, and drops are still counted', async () => {
  await using source = await openSource({ reusePort: true });
  const other = spawn(process.execPath, ['--eval', otherProcess(source.port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void other.kill());
  const there: string[] = [];
  createInterface({ input: other.stdout }).on('line', (line) => there.push(line));
  await vi.waitFor(() => expect(there).toEqual(['listening']), { timeout: 10_000 });

  // The kernel chooses by the sender, so it takes several to reach both.
  const peers = await Promise.all(Array.from({ length: 40 }, () => openPeer()));
  await Promise.all(peers.map((peer) => peer.send(`${peer.port}`, source.port)));
  await vi.waitFor(
    () => expect(there.length - 1 + (source.metrics.get('received') ?? 0)).toBe(peers.length),
    lossDeadline,
  );
  const here = await readMessages(source.driver, peers.length - (there.length - 1));
  await Promise.all(peers.map((peer) => peer[Symbol.asyncDispose]()));

  const received = [...here.map(textOf), ...there.slice(1)];
  expect(received.toSorted()).toEqual(peers.map(({ port }) => `${port}`).toSorted());
  expect(here.length).toBeGreaterThan(0);
  expect(there.length).toBeGreaterThan(1);
  expect(source.metrics.get('droppedByKernel')).toBe(0);
});

test('where several sockets of one process share a port, drops are not told rather than told wrong', async () => {
  await using first = await openSource({ reusePort: true });
  await using second = await openSource({ reusePort: true, port: first.port });
  expect(second.metrics.has('droppedByKernel')).toBe(false);
});

function otherProcess(port: number): string {
  return `
    const socket = require('node:dgram').createSocket({ type: 'udp4', reusePort: true });
    socket.on('message', (payload) => console.log(String(payload)));
    socket.bind(${port}, '127.0.0.1', () => console.log('listening'));
  `;
}

/** Every datagram that came to this machine, one way or the other. */
function counted({ metrics }: OpenedSource): number {
  return (metrics.get('received') ?? 0) + (metrics.get('droppedByKernel') ?? 0);
}
