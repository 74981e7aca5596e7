import type { ConnectionOptions } from 'node:tls';
import type { ApiName, Apis } from './api.js';
import {
  type ApiVersions,
  apiKeyOf,
  closedError,
  connectionError,
  createNativeConnection,
  createRequest,
  createVersionsRequest,
  type NativeConnection,
  type NativeLogger,
  type NativeRequest,
  type NativeSasl,
  type NativeSocketFactory,
  timeoutError,
} from './protocol.js';

/** Where a broker listens. */
export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

/** How every connection to a cluster is made. */
export interface ConnectionSetup {
  readonly clientId: string;
  readonly tls: ConnectionOptions | undefined;
  readonly sasl: NativeSasl | undefined;
  readonly openSocket: NativeSocketFactory;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

/** How one request is sent. */
export interface RequestSettings<Answer> {
  /** The version from which on the API has what is needed. Default 0. */
  readonly atLeast?: number;
  /** Reads the answer instead of kafkajs. */
  readonly decode?: (payload: Buffer) => Answer;
  /** How long the broker may take. Default: `requestTimeoutMs`, or longer where the request itself asks it to wait. */
  readonly timeoutMs?: number;
}

/** One open connection to one broker. The broker answers its requests one after the other. */
export interface BrokerConnection {
  readonly connected: boolean;
  /**
   * Sends a request and resolves with the answer, whose error codes are the caller's to look at. After an answer that did not
   * come in time the connection is closed, because what comes late cannot be told from what comes next.
   */
  request<Name extends ApiName>(
    name: Name,
    fields: Apis[Name]['fields'],
    settings?: RequestSettings<Apis[Name]['answer']>,
  ): Promise<Apis[Name]['answer']>;
  /** Sends a request that kafkajs does not know. */
  send(request: NativeRequest): Promise<unknown>;
  /** Ends the connection and every request that waits on it. Idempotent. */
  close(): void;
}

const silent: NativeLogger = {
  namespace: () => silent,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

const asDecoded = (decoded: unknown): unknown => decoded;

/** Connects to a broker and authenticates. Rejects within `connectTimeoutMs`, and nothing stays open then. */
export async function connectBroker(
  { host, port }: BrokerAddress,
  setup: ConnectionSetup,
  signal: AbortSignal,
): Promise<BrokerConnection> {
  signal.throwIfAborted();
  const native = createNativeConnection({
    host,
    port,
    clientId: setup.clientId,
    ssl: setup.tls ?? null,
    // kafkajs keeps state in it.
    sasl: setup.sasl === undefined ? null : { ...setup.sasl },
    logger: silent,
    socketFactory: setup.openSocket,
    connectionTimeout: setup.connectTimeoutMs,
    requestTimeout: setup.requestTimeoutMs,
    maxInFlightRequests: null,
  });
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  const broker = `${host}:${port}`;
  const onAbort = (): void => reject(signal.reason);
  // kafkajs waits without end for a broker that accepts the connection and then says nothing during authentication.
  const onTimeout = (): void =>
    reject(connectionError(`${broker} did not answer within ${setup.connectTimeoutMs} ms`, broker));
  const timer = setTimeout(onTimeout, setup.connectTimeoutMs);
  signal.addEventListener('abort', onAbort);
  try {
    const versions = await Promise.race([givenUp, introduce(native)]);
    return new OpenConnection(native, versions, { host, port });
  } catch (error) {
    destroy(native, closedError(host, port));
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

async function introduce(native: NativeConnection): Promise<ApiVersions> {
  await native.connect();
  // The answer of ApiVersions as kafkajs parses it.
  const { apiVersions } = (await native.send(createVersionsRequest())) as {
    readonly apiVersions: readonly { apiKey: number; minVersion: number; maxVersion: number }[];
  };
  const versions = Object.fromEntries(apiVersions.map(({ apiKey, ...range }) => [apiKey, range]));
  native.setVersions(versions);
  native.setSupportAuthenticationProtocol(apiKeyOf('SaslAuthenticate') in versions);
  await native.authenticate();
  return versions;
}

function destroy(native: NativeConnection, error: Error): void {
  native.rejectRequests(error);
  native.requestQueue.destroy();
  // Nothing waits on it any more, so this only ends the socket and marks the connection.
  native.disconnect().catch(() => undefined);
  // With an error, or kafkajs goes on waiting for a request that it was still encoding, and for a connection to be open.
  native.socket?.destroy(error);
}

class OpenConnection implements BrokerConnection {
  readonly #native: NativeConnection;
  readonly #versions: ApiVersions;
  readonly #address: BrokerAddress;
  #closed = false;

  constructor(native: NativeConnection, versions: ApiVersions, address: BrokerAddress) {
    this.#native = native;
    this.#versions = versions;
    this.#address = address;
  }

  get connected(): boolean {
    return !this.#closed && this.#native.isConnected();
  }

  async request<Name extends ApiName>(
    name: Name,
    fields: Apis[Name]['fields'],
    settings: RequestSettings<Apis[Name]['answer']> = {},
  ): Promise<Apis[Name]['answer']> {
    const request = createRequest(name, fields, this.#versions, settings.atLeast ?? 0);
    const { decode, timeoutMs } = settings;
    const asked = this.send({
      ...request,
      response: {
        decode: decode === undefined ? request.response.decode : async (payload) => decode(payload),
        parse: asDecoded,
      },
    });
    const answer = await (timeoutMs === undefined ? asked : this.#within(timeoutMs, asked, name));
    return answer as Apis[Name]['answer']; // api.ts is hand-written from what kafkajs decodes
  }

  async send(request: NativeRequest): Promise<unknown> {
    if (!this.connected) throw closedError(this.#address.host, this.#address.port);
    try {
      return await this.#native.send(request);
    } catch (error) {
      if (error instanceof Error && error.name === 'KafkaJSRequestTimeoutError') this.close();
      throw error;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    destroy(this.#native, closedError(this.#address.host, this.#address.port));
  }

  /** A limit of our own, because kafkajs takes none below the one of the connection. */
  async #within(timeoutMs: number, asked: Promise<unknown>, name: ApiName): Promise<unknown> {
    const { host, port } = this.#address;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      reject(timeoutError(`no answer to ${name} within ${timeoutMs} ms`, `${host}:${port}`));
      this.close();
    }, timeoutMs);
    try {
      return await Promise.race([asked, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
