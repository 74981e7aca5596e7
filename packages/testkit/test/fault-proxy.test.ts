import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type FaultProxy, type FaultProxyOptions, type Passing, startFaultProxy, type Verdict } from '../src/index.js';

let server: Server;
let serverPort: number;
const open: FaultProxy[] = [];

beforeEach(async () => {
  server = echoServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  serverPort = (server.address() as { port: number }).port; // of a server on TCP
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((proxy) => proxy.close()));
  server.close();
});

function echoServer(): Server {
  return createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
}

async function startProxy(options: Partial<FaultProxyOptions> = {}): Promise<FaultProxy> {
  const proxy = await startFaultProxy({ targetHost: '127.0.0.1', targetPort: serverPort, ...options });
  open.push(proxy);
  return proxy;
}

async function connectTo(proxy: FaultProxy): Promise<Socket> {
  const socket = connect(proxy.port, proxy.host);
  socket.on('error', () => {}); // closing the proxy resets what a test has left open
  await once(socket, 'connect');
  return socket;
}

async function ask(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [answer] = await once(socket, 'data');
  return String(answer);
}

/** The code of the error with which a connection ends. */
async function endOf(socket: Socket): Promise<string | undefined> {
  // What `error` carries is an error.
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  return error.code;
}

/** What a connection brings to its end. */
async function contents(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

test('carries bytes both ways, counts them, and ends when both sides have', async () => {
  const proxy = await startProxy();
  const socket = await connectTo(proxy);
  expect(await ask(socket, 'hello')).toBe('hello');
  expect(proxy.traffic).toEqual({ toServer: 5, toClient: 5 });
  expect(proxy.connections).toBe(1);
  socket.end('bye');
  expect(String(await contents(socket))).toBe('bye');
  await vi.waitFor(() => expect(proxy.connections).toBe(0));
  expect(proxy.accepted).toBe(1);
});

test('carries more than it holds, at the pace of the slower side', async () => {
  const proxy = await startProxy();
  const socket = await connectTo(proxy);
  const sent = Buffer.alloc(8 * 1024 * 1024, 'sluice');
  socket.end(sent);
  const received = await contents(socket);
  expect(received.equals(sent)).toBe(true);
});

test('has a sender wait while the receiver does not read', async () => {
  server.removeAllListeners('connection').on('connection', (socket) => socket.pause());
  const proxy = await startProxy();
  const socket = await connectTo(proxy);
  const total = 64 * 1024 * 1024;
  socket.write(Buffer.alloc(total));
  await vi.waitFor(() => expect(proxy.traffic.toServer).toBeGreaterThan(0));
  let before = -1;
  await vi.waitFor(
    () => {
      const now = proxy.traffic.toServer;
      const stands = now === before;
      before = now;
      expect(stands).toBe(true);
    },
    { interval: 200, timeout: 10_000 },
  );
  expect(before).toBeLessThan(total / 2);
  socket.destroy();
});

test('cut resets what is open and refuses what is new, until it is restored at the same address', async () => {
  const proxy = await startProxy();
  const socket = await connectTo(proxy);
  const [end] = await Promise.all([endOf(socket), proxy.cut()]);
  expect(end).toBe('ECONNRESET');
  expect(await endOf(connect(proxy.port, proxy.host))).toBe('ECONNREFUSED');
  expect(proxy.connections).toBe(0);
  await proxy.restore();
  expect(await ask(await connectTo(proxy), 'again')).toBe('again');
});

test('cut in hanging mode leaves new connections without an answer, and restore carries them on', async () => {
  const proxy = await startProxy();
  const first = await connectTo(proxy);
  const [end] = await Promise.all([endOf(first), proxy.cut('hang')]);
  expect(end).toBe('ECONNRESET');
  const second = await connectTo(proxy);
  const answer = ask(second, 'anyone?');
  await vi.waitFor(() => expect(proxy.connections).toBe(1));
  expect(proxy.traffic.toServer).toBe(0);
  await proxy.restore();
  expect(await answer).toBe('anyone?');
});

test('cut may change its mode, and being restored twice or closed while cut is no error', async () => {
  const proxy = await startProxy();
  await proxy.cut('hang');
  await proxy.cut('refuse');
  expect(await endOf(connect(proxy.port, proxy.host))).toBe('ECONNREFUSED');
  await proxy.cut('hang');
  await connectTo(proxy);
  await proxy.restore();
  await proxy.restore();
  await proxy.cut();
  await proxy.close();
  await proxy.close();
});

test('slow holds each direction for its time, without narrowing it', async () => {
  const proxy = await startProxy();
  const socket = await connectTo(proxy);
  proxy.slow({ toServerMs: 100, toClientMs: 50 });
  const start = performance.now();
  await ask(socket, 'slowly');
  // Timers run up to a millisecond early in each direction, and their rounding adds to it.
  expect(performance.now() - start).toBeGreaterThanOrEqual(145);
  const sent = Buffer.alloc(4 * 1024 * 1024, 'x');
  const streamStart = performance.now();
  socket.end(sent);
  expect((await contents(socket)).length).toBe(sent.length);
  // 64 pieces and more: one after the other they would take 6 s.
  expect(performance.now() - streamStart).toBeLessThan(3000);
  const fast = await connectTo(proxy);
  await proxy.restore();
  const fastStart = performance.now();
  await ask(fast, 'fast');
  expect(performance.now() - fastStart).toBeLessThan(50);
});

test('an interceptor sees all that passes, and no more once it is taken out', async () => {
  const proxy = await startProxy();
  const seen: Passing[] = [];
  const stop = proxy.intercept((passing) => {
    seen.push(passing);
    return 'pass';
  });
  const socket = await connectTo(proxy);
  await ask(socket, 'one');
  stop();
  await ask(socket, 'two');
  expect(seen.map(({ bytes, ...rest }) => ({ ...rest, text: String(bytes) }))).toEqual([
    { connection: 1, direction: 'toServer', text: 'one', exchange: '1' },
    { connection: 1, direction: 'toClient', text: 'one', exchange: '1' },
  ]);
});

test('an interceptor that cuts an answer lets the server have done what it was asked for', async () => {
  const received: string[] = [];
  server.on('connection', (socket) => socket.on('data', (data) => received.push(String(data))));
  const proxy = await startProxy();
  proxy.intercept(({ direction }) => (direction === 'toClient' ? 'cut' : 'pass'));
  const socket = await connectTo(proxy);
  socket.write('commit');
  expect(await endOf(socket)).toBe('ECONNRESET');
  expect(received).toEqual(['commit']);
  expect(proxy.traffic).toEqual({ toServer: 6, toClient: 0 });
});

test('an interceptor that cuts a request keeps it from the server, and other connections go on', async () => {
  const received: string[] = [];
  server.on('connection', (socket) => socket.on('data', (data) => received.push(String(data))));
  const proxy = await startProxy();
  proxy.intercept(({ bytes }) => (String(bytes) === 'commit' ? 'cut' : 'pass'));
  const [socket, other] = [await connectTo(proxy), await connectTo(proxy)];
  socket.write('commit');
  expect(await endOf(socket)).toBe('ECONNRESET');
  expect(await ask(other, 'read')).toBe('read');
  expect(received).toEqual(['read']);
});

test('an interceptor may hold bytes back for as long as it likes', async () => {
  const proxy = await startProxy();
  const { promise: gate, resolve: openGate } = Promise.withResolvers<void>();
  proxy.intercept(async ({ direction }): Promise<Verdict> => {
    if (direction === 'toClient') await gate;
    return 'pass';
  });
  const socket = await connectTo(proxy);
  const answer = ask(socket, 'wait');
  await vi.waitFor(() => expect(proxy.traffic).toEqual({ toServer: 4, toClient: 0 }));
  openGate();
  expect(await answer).toBe('wait');
});

test('with the length of a message, an interceptor sees whole messages however they arrive', async () => {
  const proxy = await startProxy({
    messageLength: (buffer) => (buffer.length === 0 ? undefined : 1 + buffer.readUInt8(0)),
  });
  const seen: string[] = [];
  proxy.intercept(({ direction, bytes }) => {
    if (direction === 'toServer') seen.push(String(bytes.subarray(1)));
    return 'pass';
  });
  const socket = await connectTo(proxy);
  socket.setNoDelay(true);
  // Message by message and byte by byte, a piece only when the one before has arrived.
  const pieces = ['\x03on', 'e\x03two\x05th', 're', 'e', '\x09unfinished'.slice(0, 4)];
  for (const [index, piece] of pieces.entries()) {
    socket.write(piece);
    const whole = ['', 'one,two', 'one,two', 'one,two,three', 'one,two,three'][index];
    if (whole) await vi.waitFor(() => expect(seen.join()).toBe(whole));
  }
  socket.end();
  expect(String(await contents(socket))).toBe(pieces.join(''));
  expect(seen).toEqual(['one', 'two', 'three', 'unf']);
});

test('a server that is down resets the client, and the proxy goes on', async () => {
  const proxy = await startProxy();
  server.close();
  await once(server, 'close');
  expect(await endOf(connect(proxy.port, proxy.host))).toBe('ECONNRESET');
  server = echoServer();
  server.listen(serverPort, '127.0.0.1');
  await once(server, 'listening');
  expect(await ask(await connectTo(proxy), 'back')).toBe('back');
});

test('a client or a server that resets its connection resets the other side', async () => {
  const sockets: Socket[] = [];
  const resets: string[] = [];
  server.on('connection', (socket) => {
    sockets.push(socket);
    socket.on('error', (error: NodeJS.ErrnoException) => resets.push(error.code ?? ''));
  });
  const proxy = await startProxy();
  const first = await connectTo(proxy);
  await ask(first, 'x');
  first.resetAndDestroy();
  await vi.waitFor(() => expect(resets).toEqual(['ECONNRESET']));
  const second = await connectTo(proxy);
  await ask(second, 'x');
  const end = endOf(second);
  sockets[1]?.resetAndDestroy();
  expect(await end).toBe('ECONNRESET');
});
