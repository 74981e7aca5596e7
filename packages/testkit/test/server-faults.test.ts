import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface, type Interface } from 'node:readline';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { breakRequests, type Faults, serverFaults } from '../src/index.js';
import { type LineServer, startLineServer } from './line-server.js';

let server: LineServer;
let faults: Faults;
const sockets: Socket[] = [];

beforeEach(async () => {
  server = await startLineServer();
  faults = serverFaults(server);
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.stop();
});

/** A connection through the proxy, and the answers that come on it. */
interface Client {
  readonly socket: Socket;
  readonly answers: string[];
  /** The code of the error that ended it, if one did. */
  readonly ended: Promise<string>;
}

async function connectTo({ proxy }: LineServer = server): Promise<Client> {
  const socket = connect(proxy.port, proxy.host);
  sockets.push(socket);
  const answers: string[] = [];
  const reading: Interface = createInterface({ input: socket });
  reading.on('line', (line) => answers.push(line));
  reading.on('error', () => undefined); // the socket tells it, too
  const ended = new Promise<string>((resolve) => {
    socket.on('error', ({ code = '' }: NodeJS.ErrnoException) => resolve(code));
  });
  await Promise.race([once(socket, 'connect'), ended]);
  return { socket, answers, ended };
}

/** Waits until an assertion holds. */
function soon(assertion: () => void): Promise<void> {
  return vi.waitFor(assertion, 10_000);
}

/** Asks on a connection of its own. */
async function expectAnswer(from: LineServer = server): Promise<void> {
  const { socket, answers } = await connectTo(from);
  socket.write('hello\n');
  await soon(() => expect(answers).toEqual(['hello']));
  socket.end();
  await once(socket, 'close');
}

test('cut refuses connections until all is restored', async () => {
  const { ended } = await connectTo();
  await faults.cut();
  expect(await ended).toBe('ECONNRESET');
  expect(await (await connectTo()).ended).toBe('ECONNREFUSED');
  await faults.restore();
  await expectAnswer();
});

test('hang lets nothing through, and what waited goes on when all is restored', async () => {
  const { socket, answers } = await connectTo();
  let isUnderWay = false;
  server.proxy.intercept(() => {
    isUnderWay = true;
    return 'pass';
  });
  await faults.hang();
  socket.write('hello\n');
  await soon(() => expect(isUnderWay).toBe(true));
  expect(server.proxy.traffic.toServer).toBe(0);
  expect(faults.connections()).toBe(1);
  await faults.restore();
  await soon(() => expect(answers).toEqual(['hello']));
  await expectAnswer();
});

test('slow delays both directions until all is restored', async () => {
  const { socket, answers } = await connectTo();
  await faults.slow(50);
  const start = performance.now();
  socket.write('hello\n');
  await soon(() => expect(answers).toEqual(['hello']));
  // Timers run up to a millisecond early in each direction.
  expect(performance.now() - start).toBeGreaterThanOrEqual(95);
  await faults.slow(60_000);
  await faults.restore();
  await expectAnswer();
});

test('what is cut after a request has reached the server, once, and is not answered', async () => {
  const { happened } = await faults.cutAfter((bytes) => Buffer.from(bytes).includes('commit'));
  const { socket, answers, ended } = await connectTo();
  socket.write('read\n');
  await soon(() => expect(answers).toEqual(['read']));
  socket.write('commit\n');
  expect(await ended).toBe('ECONNRESET');
  await happened;
  expect(server.lines).toEqual(['read', 'commit']);
  expect(answers).toEqual(['read']);
  const again = await connectTo();
  again.socket.write('commit\n');
  await soon(() => expect(again.answers).toEqual(['commit']));
});

test('with correlation ids it is the answer to that request which is lost, and not the one that comes first', async () => {
  await using numbered = await startLineServer({ correlationId: (bytes) => String(bytes).split(' ')[0] ?? '' });
  const { happened } = await serverFaults(numbered).cutAfter((bytes) => Buffer.from(bytes).includes('commit'));
  const { socket, answers, ended } = await connectTo(numbered);
  socket.write('1 commit later\n2 read\n');
  expect(await ended).toBe('ECONNRESET');
  await happened;
  expect(numbered.lines).toEqual(['1 commit later', '2 read']);
  expect(numbered.proxy.traffic.toClient).toBe('2 read\n'.length);
  expect(answers.includes('1 commit later')).toBe(false);
});

test('what was to be cut and has not come is forgotten when all is restored', async () => {
  await faults.cutAfter(() => true);
  await faults.restore();
  await expectAnswer();
});

test('a paused server is silent, and goes on when all is restored', async () => {
  await faults.pause();
  const { socket, answers } = await connectTo();
  socket.write('hello\n');
  await soon(() => expect(server.proxy.traffic.toServer).toBe(6));
  expect(server.lines).toEqual([]);
  await faults.restore();
  await soon(() => expect(answers).toEqual(['hello']));
});

test('a stopped server is gone until all is restored, and a restarted one is there at once', async () => {
  await faults.stop();
  expect(await (await connectTo()).ended).toBe('ECONNRESET');
  await faults.restore();
  await expectAnswer();
  await faults.restart();
  await expectAnswer();
});

test('restoring brings back only what is gone', async () => {
  const { socket, answers } = await connectTo();
  await faults.restore();
  socket.write('hello\n');
  await soon(() => expect(answers).toEqual(['hello']));
});

test('a request that is lost does not reach the server, as often as it is to be', async () => {
  using fault = breakRequests(server.proxy, { matches: (bytes) => bytes.includes('write'), lose: 'request', times: 2 });
  for (let time = 1; time <= 2; time++) {
    const { socket, ended } = await connectTo();
    socket.write('write\n');
    expect(await ended).toBe('ECONNRESET');
    expect(fault.struck).toBe(time);
  }
  expect(server.lines).toEqual([]);
  const { socket, answers } = await connectTo();
  socket.write('write\n');
  await soon(() => expect(answers).toEqual(['write']));
  expect(fault.struck).toBe(2);
});
