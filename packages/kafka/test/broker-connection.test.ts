import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type BrokerConnection, type ConnectionSetup, connectBroker } from '../src/connection/broker-connection.js';
import { apiKeyOf } from '../src/connection/protocol.js';
import { until } from './source-world.js';

const closers: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const never: AbortSignal = new AbortController().signal;
const metadata = { topics: ['t'], allowAutoTopicCreation: false };

/** A broker that tells its versions, and leaves everything else to the test. */
async function fakeBroker(onRequest: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    closers.push(() => socket.destroy());
    socket.on('data', (request) => {
      if (request.readInt16BE(4) !== apiKeyOf('ApiVersions')) return onRequest(socket);
      // length, correlation id, no error, one API in versions 0 to 6, no throttling
      const answer = Buffer.alloc(4 + 4 + 2 + 4 + 6 + 4);
      answer.writeInt32BE(answer.length - 4);
      answer.writeInt32BE(request.readInt32BE(8), 4);
      answer.writeInt32BE(1, 10);
      answer.writeInt16BE(apiKeyOf('Metadata'), 14);
      answer.writeInt16BE(6, 18);
      socket.write(answer);
    });
  });
  closers.push(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port; // a TCP server has one
}

async function open(port: number, setup: Partial<ConnectionSetup> = {}, signal = never): Promise<BrokerConnection> {
  const connection = await connectBroker(
    { host: '127.0.0.1', port },
    {
      clientId: 'test',
      tls: undefined,
      sasl: undefined,
      connectTimeoutMs: 2000,
      requestTimeoutMs: 60_000,
      openSocket: ({ host, port: to, onConnect }) => connect({ host, port: to }, onConnect),
      ...setup,
    },
    signal,
  );
  closers.push(() => connection.close());
  return connection;
}

test('gives up a request that is not answered in time, and the connection with it', async () => {
  const connection = await open(await fakeBroker(() => undefined));
  const asked = connection.request('Metadata', metadata, { timeoutMs: 50 });
  await expect(asked).rejects.toMatchObject({ name: 'KafkaJSRequestTimeoutError' });
  expect(connection.connected).toBe(false);
});

test('gives up a connection that does not answer within its own limit', async () => {
  const connection = await open(await fakeBroker(() => undefined), { requestTimeoutMs: 50 });
  await expect(connection.request('Metadata', metadata)).rejects.toMatchObject({ name: 'KafkaJSRequestTimeoutError' });
  expect(connection.connected).toBe(false);
});

test.for([0, 1, 2, 3, 4, 5, 6, 7])(
  'loses no request that is on its way when it is closed, %i turns old',
  async (turns) => {
    const connection = await open(await fakeBroker(() => undefined));
    const encode = async (): Promise<object> => ({ buf: Buffer.alloc(0), buffer: Buffer.alloc(0) });
    const request = { apiKey: apiKeyOf('Metadata'), apiVersion: 6, apiName: 'Metadata', encode };
    const sent = connection.send({ request, response: { decode: async () => undefined, parse: String } });
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    connection.close();
    await expect(sent).rejects.toMatchObject({ name: expect.stringMatching(/^KafkaJSConnection/) });
  },
);

test('ends what waits for an answer when it is closed', async () => {
  const connection = await open(await fakeBroker(() => connection.close()));
  await expect(connection.request('Metadata', metadata)).rejects.toMatchObject({
    name: 'KafkaJSConnectionClosedError',
  });
  await expect(connection.request('Metadata', metadata)).rejects.toMatchObject({
    name: 'KafkaJSConnectionClosedError',
  });
});

test('leaves neither timer nor socket of a connection that was given up', async () => {
  const server = createServer((socket) => closers.push(() => socket.destroy()));
  closers.push(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // a TCP server has one
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const abort = new AbortController();
  const opening = open(port, { connectTimeoutMs: 60_000 }, abort.signal);
  await once(server, 'connection');
  abort.abort();
  await expect(opening).rejects.toMatchObject({ name: 'AbortError' });
  // Far sooner than what the connection was allowed to take.
  await until(() => timers() <= before, 3000);
});

test('rejects within the time limit when the broker says nothing', async () => {
  const silent = createServer((socket) => closers.push(() => socket.destroy()));
  closers.push(() => silent.close());
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo; // a TCP server has one
  await expect(open(port, { connectTimeoutMs: 50 })).rejects.toMatchObject({ name: 'KafkaJSConnectionError' });
});
