import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { listenOnFreePort } from './free-port.js';
import { carryBetween, type Direction, type Interceptor, type ProxyRules, reset } from './proxy-connection.js';

/** Where a proxy carries connections to, and how it reads what it carries. */
export interface FaultProxyOptions {
  /** Host of the server. */
  readonly targetHost: string;
  /** Port of the server. Nothing has to listen there yet. */
  readonly targetPort: number;
  /**
   * Length in bytes of the message that a buffer begins with, or `undefined` if the buffer does not tell yet. With it,
   * interceptors see whole messages of the server's protocol, one at a time; without it, pieces as they arrive.
   */
  readonly messageLength?: ((buffer: Buffer) => number | undefined) | undefined;
  /**
   * The id that a request and its answer have in common, of the bytes of either, in a protocol that has one. Without it, the
   * next that the server sends on a connection counts as the answer to what came before.
   */
  readonly correlationId?: ((bytes: Buffer, direction: Direction) => number | string) | undefined;
}

/**
 * What becomes of new connections while the proxy is cut: `refuse` answers "connection refused" at once, as a host whose
 * server is down does; `hang` accepts and then says nothing, as a network that swallows packets does.
 */
export type CutMode = 'refuse' | 'hang';

/** How long bytes are held on their way, in milliseconds; what is absent is 0. */
export interface Latency {
  readonly toServerMs?: number;
  readonly toClientMs?: number;
}

/**
 * A TCP proxy between the client under test and its server, in the test's own process, that breaks the network between
 * them on demand. Its address stays the same, also while it is cut and while the server restarts.
 */
export interface FaultProxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** `host:port`. */
  readonly address: string;
  /** Connections that clients have open through the proxy now. */
  readonly connections: number;
  /** Connections accepted since the proxy started. A test that this did not grow sees that nobody reconnected. */
  readonly accepted: number;
  /** Bytes handed on since the proxy started. */
  readonly traffic: Readonly<Record<Direction, number>>;
  /** Resets every connection, and keeps new ones from reaching the server until `restore`. The default is `refuse`. */
  cut(mode?: CutMode): Promise<void>;
  /** Ends `cut` and `slow`. Connections that were left hanging are carried to the server now. */
  restore(): Promise<void>;
  /** Holds all bytes back for a while, in both directions if given a number of milliseconds. The bandwidth stays. */
  slow(latency: number | Latency): void;
  /**
   * Shows all that passes to a function that may reset the connection, delay the bytes, or watch. Returns what takes the
   * function out again. Of several, each is asked, in the order in which they came.
   *
   * @example Lose the answer to the first request that has arrived at the server:
   * ```ts
   * const stop = proxy.intercept(({ direction }) => (direction === 'toClient' ? 'cut' : 'pass'));
   * ```
   */
  intercept(interceptor: Interceptor): () => void;
  /** Resets what is open and stops listening. */
  close(): Promise<void>;
}

const host = '127.0.0.1';

/** Starts a proxy on a free port of this machine. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const interceptors = new Set<Interceptor>();
  const rules: ProxyRules = {
    interceptors,
    latencyMs: { toServer: 0, toClient: 0 },
    traffic: { toServer: 0, toClient: 0 },
    messageLength: options.messageLength,
    correlationId: options.correlationId,
  };
  const gate = await openGate((client, connection) => {
    const server = connect({ host: options.targetHost, port: options.targetPort, allowHalfOpen: true, noDelay: true });
    return carryBetween(client, server, { connection, rules });
  });
  const slow = (latency: number | Latency): void => {
    const { toServerMs = 0, toClientMs = 0 } =
      typeof latency === 'number' ? { toServerMs: latency, toClientMs: latency } : latency;
    Object.assign(rules.latencyMs, { toServer: toServerMs, toClient: toClientMs });
  };
  return {
    host,
    port: gate.port,
    address: `${host}:${gate.port}`,
    get connections() {
      return gate.open();
    },
    get accepted() {
      return gate.accepted();
    },
    traffic: rules.traffic,
    cut: gate.cut,
    restore: async () => {
      slow(0);
      await gate.restore();
    },
    slow,
    intercept: (interceptor) => {
      interceptors.add(interceptor);
      return () => interceptors.delete(interceptor);
    },
    close: gate.close,
    [Symbol.asyncDispose]: gate.close,
  };
}

interface Gate {
  readonly port: number;
  open(): number;
  accepted(): number;
  cut(mode?: CutMode): Promise<void>;
  restore(): Promise<void>;
  close(): Promise<void>;
}

/** The listening side: lets connections in, keeps them out, and throws them out. */
async function openGate(carry: (client: Socket, connection: number) => { cut(): void }): Promise<Gate> {
  /** Open connections, each with what resets it; one that hangs is not carried yet. */
  const clients = new Map<Socket, { readonly connection: number; carried: { cut(): void } | undefined }>();
  let accepted = 0;
  let hanging = false;
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (client) => {
    const state = { connection: ++accepted, carried: hanging ? undefined : carry(client, accepted) };
    clients.set(client, state);
    client.on('close', () => clients.delete(client));
    client.on('error', () => client.destroy());
    if (!hanging) client.resume();
  });
  const port = await listenOnFreePort(server, host);
  const resetAll = (): void => {
    for (const [client, { carried }] of clients) {
      carried?.cut();
      reset(client);
    }
  };
  const stopListening = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    resetAll();
    await closed;
  };
  const listenAgain = async (): Promise<void> => {
    if (server.listening) return;
    server.listen(port, host);
    await once(server, 'listening');
  };
  return {
    port,
    open: () => clients.size,
    accepted: () => accepted,
    cut: async (mode = 'refuse') => {
      hanging = mode === 'hang';
      resetAll();
      await (hanging ? listenAgain() : stopListening());
    },
    restore: async () => {
      hanging = false;
      for (const [client, state] of clients) {
        if (state.carried) continue;
        state.carried = carry(client, state.connection);
        client.resume();
      }
      await listenAgain();
    },
    close: stopListening,
  };
}
