import { createSocket, type RemoteInfo, type Socket, type SocketType } from 'node:dgram';
import { once } from 'node:events';
import {
  createMessage,
  type DriverContext,
  type Message,
  type SinkBatch,
  type SinkDriver,
  type SourceBatch,
  type SourceDriver,
} from '@sluice/core/driver';
import { sinkConfig, sourceConfig, type UdpSinkConfig, type UdpSourceConfig } from '../src/config.js';
import { openUdpSink } from '../src/sink.js';
import { openUdpSource } from '../src/source.js';

/** What a driver told the engine. */
interface Told {
  readonly metrics: Map<string, number>;
  readonly notices: string[];
  readonly context: DriverContext;
}

function fakeContext(): Told {
  const metrics = new Map<string, number>();
  const notices: string[] = [];
  const context: DriverContext = {
    pipeline: 'test',
    id: 'udp',
    signal: new AbortController().signal,
    metrics: {
      add: (name, amount) => metrics.set(name, (metrics.get(name) ?? 0) + amount),
      set: (name, value) => metrics.set(name, value),
    },
    notice: (text) => notices.push(text),
  };
  return { metrics, notices, context };
}

/** A source driver with everything that a test looks at. */
export interface OpenedSource extends Told, AsyncDisposable {
  readonly driver: SourceDriver;
  readonly socket: Socket;
  readonly port: number;
}

/** Opens the source on 127.0.0.1 and a port of the system's choice, unless the config says otherwise. */
export async function openSource(config: Partial<UdpSourceConfig> = {}): Promise<OpenedSource> {
  const told = fakeContext();
  const opened = Promise.withResolvers<Socket>();
  const settings = sourceConfig.parse({ host: '127.0.0.1', port: 0, ...config });
  const driver = await openUdpSource(settings, { onSocket: opened.resolve }, told.context);
  const socket = await opened.promise;
  return { ...told, driver, socket, port: socket.address().port, [Symbol.asyncDispose]: () => driver.close() };
}

/** Opens the sink; `sockets` are those that it has opened so far, and disposing closes it. */
export async function openSink(
  config: UdpSinkConfig,
): Promise<SinkDriver & AsyncDisposable & { readonly sockets: readonly Socket[] }> {
  const sockets: Socket[] = [];
  const onSocket = (socket: Socket) => void sockets.push(socket);
  const driver = await openUdpSink(sinkConfig.parse(config), { onSocket }, fakeContext().context);
  return Object.assign(driver, { sockets, [Symbol.asyncDispose]: () => driver.close() });
}

/** Reads batches until they hold `count` messages, then ends the iterator as the engine does. */
export async function readBatches(
  driver: SourceDriver,
  count: number,
  limits: { maxMessages?: number; maxBytes?: number } = {},
): Promise<SourceBatch[]> {
  const abort = new AbortController();
  const batches: SourceBatch[] = [];
  const options = { maxMessages: 1000, maxBytes: 1024 * 1024, ...limits, signal: abort.signal };
  for await (const batch of driver.read('', undefined, options)) {
    batches.push(batch);
    if (batches.reduce((sum, { messages }) => sum + messages.length, 0) >= count) break;
  }
  abort.abort();
  return batches;
}

/** As {@link readBatches}, without the batches. */
export async function readMessages(driver: SourceDriver, count: number): Promise<Message[]> {
  return (await readBatches(driver, count)).flatMap(({ messages }) => messages);
}

/** As {@link readMessages}, with the payloads as text alone. */
export async function readTexts(driver: SourceDriver, count: number): Promise<string[]> {
  return (await readMessages(driver, count)).map(textOf);
}

/** The payload as text. */
export function textOf({ payload }: Message): string {
  if (!(payload instanceof Uint8Array)) throw new Error('the payload is not bytes');
  return Buffer.from(payload).toString();
}

/** A plain socket of the other end. */
export interface Peer extends AsyncDisposable {
  readonly socket: Socket;
  readonly port: number;
  readonly received: { readonly payload: Buffer; readonly from: RemoteInfo }[];
  send(payload: Uint8Array | string, port: number, host?: string): Promise<void>;
}

/** Opens a plain socket on loopback, or where `host` says. */
export async function openPeer(
  type: SocketType = 'udp4',
  host: string = type === 'udp4' ? '127.0.0.1' : '::1',
): Promise<Peer> {
  const socket = createSocket(type);
  const received: Peer['received'] = [];
  socket.on('message', (payload, from) => received.push({ payload, from }));
  socket.bind(0, host);
  await once(socket, 'listening');
  socket.setRecvBufferSize(4 * 1024 * 1024);
  return {
    socket,
    port: socket.address().port,
    received,
    send: (payload, port, to = host) =>
      new Promise((resolve, reject) => socket.send(payload, port, to, (error) => (error ? reject(error) : resolve()))),
    [Symbol.asyncDispose]: async () => {
      const closed = once(socket, 'close');
      socket.close();
      await closed;
    },
  };
}

/** A write of these messages, as the engine makes it. */
export function batchOf(messages: readonly Partial<Message>[]): SinkBatch {
  return {
    messages: messages.map(createMessage),
    slices: [{ partition: 'source:', from: 0, to: messages.length, position: null }],
  };
}

/** A signal that nobody aborts. */
export const never: AbortSignal = new AbortController().signal;
