import { EventEmitter, once } from 'node:events';
import { Duplex } from 'node:stream';
import type { Client } from 'pg';
import { expect, test } from 'vitest';
import { ReplicationStream } from '../src/changes/replication.js';
import { int16, int32, int64, join, tuple } from './pgoutput-bytes.js';

/** A stream of changes over a connection on which a test says what comes. */
async function start(maxQueuedBytes = 1024 * 1024): Promise<{
  readonly stream: ReplicationStream;
  readonly socket: Duplex;
  /** What one read of the socket gives: a change that takes so many bytes there, or this one. */
  readonly receive: (change: number | Buffer) => void;
  /** What the server warns of. */
  readonly warn: (code: string, message: string) => void;
}> {
  const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const connection = Object.assign(new EventEmitter(), { stream: socket });
  const flows = once(socket, 'resume');
  socket.on('data', (chunk: Buffer) => connection.emit('copyData', { chunk })); // one message in each read, as pg finds it
  const query = (): Promise<void> => {
    queueMicrotask(() => connection.emit('replicationStart'));
    return new Promise(() => undefined);
  };
  const client = Object.assign(new EventEmitter(), { connection, query }) as unknown as Client; // all of it that the stream uses
  const { signal } = new AbortController();
  const request = { slot: 's', publication: 'p', from: 0n, maxQueuedBytes, statusIntervalMs: 3_600_000, signal };
  const stream = await ReplicationStream.start(client, request);
  await flows;
  const warn = (code: string, message: string): void => void client.emit('notice', { code, message });
  // The letter of a change, which is the plugin's for nothing that it knows, too.
  const receive = (change: number | Buffer): void =>
    void socket.push(typeof change === 'number' ? Buffer.alloc(change, 'w') : join('w', Buffer.alloc(24), change));
  return { stream, socket, warn, receive };
}

test('lets changes gather after a read that has emptied the socket', async () => {
  const { stream, socket, receive } = await start();
  receive(100);
  expect(stream.take()?.kind).toBe('other');
  expect(socket.isPaused()).toBe(true);
  receive(100);
  expect(stream.take()).toBeUndefined();
  await stream.wait(new AbortController().signal);
  expect(stream.take()?.kind).toBe('other');
});

test('takes what was read already without waiting', async () => {
  const { stream, socket, receive } = await start();
  receive(100);
  for (let count = 0; count < 1000; count++) receive(100);
  await once(socket, 'resume');
  await stream.wait(new AbortController().signal);
  let taken = 0;
  while (stream.take() !== undefined) taken++;
  expect(taken).toBe(1001);
});

test('reads on at once where the socket may have more', async () => {
  const { socket, receive } = await start();
  receive(64 * 1024);
  expect(socket.isPaused()).toBe(false);
});

test('does not read on while too much is queued', async () => {
  const { stream, socket, receive } = await start(300);
  receive(200);
  await once(socket, 'resume');
  receive(200);
  const later = Promise.withResolvers<void>();
  setTimeout(later.resolve, 1); // behind the timer that ends the gathering
  await later.promise;
  expect(socket.isPaused()).toBe(true);
  stream.take();
  stream.take();
  expect(stream.take()).toBeUndefined();
  await once(socket, 'resume');
});

test('hears nothing behind changes that the server passed over, whatever else it warns of', async () => {
  const { stream, receive, warn } = await start();
  receive(64 * 1024);
  warn('01000', 'something else');
  receive(64 * 1024);
  warn('55000', 'skipped loading publication "p"');
  receive(64 * 1024);
  expect([stream.take()?.kind, stream.take()?.kind]).toEqual(['other', 'other']);
  expect(() => stream.take()).toThrow('skipped loading publication "p": publication "p" was dropped, or made after');
});

test('gives nothing behind a change that cannot be read, however often it is asked', async () => {
  const { stream, socket, receive } = await start();
  receive(join('I', int32(1), 'N', tuple('a')));
  receive(join('I', int32(1), 'N', int16(2)));
  receive(join('C', [0], int64(1n), int64(2n), int64(3n)));
  await once(socket, 'resume');
  expect(stream.take()).toMatchObject({ kind: 'row', row: ['a'] });
  for (let times = 0; times < 2; times++)
    expect(() => stream.take()).toThrow(expect.objectContaining({ code: 'unsupported' }));
});
