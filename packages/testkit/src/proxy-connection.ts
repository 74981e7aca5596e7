import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Which way bytes go through a proxy. */
export type Direction = 'toServer' | 'toClient';

/** What an interceptor is shown. */
export interface Passing {
  /** Number of the connection, from 1 in the order in which the proxy accepted them: the two directions have the same. */
  readonly connection: number;
  readonly direction: Direction;
  /** A whole message if the proxy knows the protocol's `messageLength`, else a piece as it arrived. */
  readonly bytes: Buffer;
  /** The same for a request and its answer: its connection, with the correlation id if the proxy knows the protocol's. */
  readonly exchange: string;
}

/** `cut`: these bytes are lost and their connection is reset, both ways. */
export type Verdict = 'pass' | 'cut';

/** Decides about bytes on their way. While it takes its time, this direction of this connection stands still. */
export type Interceptor = (passing: Passing) => Verdict | Promise<Verdict>;

/** What all connections of a proxy have in common, looked at for every piece, so that it can change on the way. */
export interface ProxyRules {
  readonly interceptors: ReadonlySet<Interceptor>;
  readonly latencyMs: Record<Direction, number>;
  readonly traffic: Record<Direction, number>;
  readonly messageLength: ((buffer: Buffer) => number | undefined) | undefined;
  readonly correlationId: ((bytes: Buffer, direction: Direction) => number | string) | undefined;
}

/** Bytes that are held on their way before their sender has to wait. */
const maxHeldBytes = 1024 * 1024;

/** Carries bytes between two sockets until both have ended, one is reset, or `cut` is called. */
export function carryBetween(
  client: Socket,
  server: Socket,
  { connection, rules }: { connection: number; rules: ProxyRules },
): { cut(): void } {
  const cutting = new AbortController();
  const cut = (): void => {
    cutting.abort();
    reset(client);
    reset(server);
  };
  const lane = { connection, rules, cut, signal: cutting.signal };
  carry(client, server, { ...lane, direction: 'toServer' });
  carry(server, client, { ...lane, direction: 'toClient' });
  return { cut };
}

/** Ends a connection as a crash or a firewall does: the other side sees a reset. */
export function reset(socket: Socket): void {
  // A socket that still connects would first go on doing so.
  if (socket.connecting) socket.destroy();
  else if (!socket.destroyed) socket.resetAndDestroy();
}

interface Lane {
  readonly connection: number;
  readonly direction: Direction;
  readonly rules: ProxyRules;
  readonly cut: () => void;
  readonly signal: AbortSignal;
}

function carry(from: Socket, to: Socket, lane: Lane): void {
  const split = messageSplitter(lane.rules.messageLength);
  let heldBytes = 0;
  let last: Promise<void> = Promise.resolve();
  const queue = (bytes: Buffer, arrivedAt: number): void => {
    heldBytes += bytes.length;
    last = last.then(async () => {
      await forward(bytes, to, { lane, arrivedAt });
      heldBytes -= bytes.length;
      if (heldBytes < maxHeldBytes) from.resume();
    });
  };
  from.on('data', (chunk: Buffer) => {
    const arrivedAt = performance.now();
    for (const bytes of split.push(chunk)) queue(bytes, arrivedAt);
    if (heldBytes >= maxHeldBytes) from.pause();
  });
  from.on('end', () => {
    const rest = split.rest();
    if (rest.length > 0) queue(rest, performance.now());
    last = last.then(() => {
      to.end();
    });
  });
  from.on('error', lane.cut);
  from.on('close', (failed: boolean) => {
    if (failed || !from.readableEnded) lane.cut();
  });
}

async function forward(
  bytes: Buffer,
  to: Socket,
  { lane, arrivedAt }: { lane: Lane; arrivedAt: number },
): Promise<void> {
  const { connection, direction, rules, signal } = lane;
  try {
    const restMs = arrivedAt + rules.latencyMs[direction] - performance.now();
    if (restMs > 0) await delay(restMs, undefined, { signal });
    const interceptors = [...rules.interceptors];
    const id = interceptors.length === 0 ? undefined : rules.correlationId?.(bytes, direction);
    const exchange = id === undefined ? String(connection) : `${connection}/${id}`;
    for (const interceptor of interceptors) {
      if ((await interceptor({ connection, direction, bytes, exchange })) === 'cut') lane.cut();
    }
  } catch (error) {
    lane.cut();
    if (!signal.aborted) throw error;
  }
  if (to.destroyed) return;
  rules.traffic[direction] += bytes.length;
  if (!to.write(bytes)) await drained(to);
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}

/** Cuts a stream into the messages of a protocol; without a protocol, into what arrives. */
function messageSplitter(messageLength: ProxyRules['messageLength']): {
  push(chunk: Buffer): Buffer[];
  rest(): Buffer;
} {
  let buffer: Buffer = Buffer.alloc(0);
  return {
    push: (chunk) => {
      if (!messageLength) return [chunk];
      buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk]);
      const messages: Buffer[] = [];
      for (;;) {
        const length = messageLength(buffer);
        if (length === undefined || length > buffer.length) return messages;
        messages.push(buffer.subarray(0, length));
        buffer = buffer.subarray(length);
      }
    },
    rest: () => buffer,
  };
}
