import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { ConnectorError } from '@sluice/core/driver';

// The only file that reaches into kafkajs beyond its public interface, which has no way to hold what a source promises:
// DESIGN.md says why. The version is pinned, kafkajs has had no release since 2023, and another one is refused here.

const require = createRequire(import.meta.url);
const builtFor = '2.2.4';

/** The version of kafkajs that is installed. */
// package.json of kafkajs has a version, as every one.
export const nativeVersion: string = (require('kafkajs/package.json') as { version: string }).version;
if (nativeVersion !== builtFor) {
  const advice = `Install kafkajs ${builtFor} exactly.`;
  throw new ConnectorError(
    'unsupported',
    `kafkajs ${nativeVersion} is installed, and ${builtFor} is needed. ${advice}`,
  );
}

/** Log functions in the form that kafkajs wants them. */
export interface NativeLogger {
  namespace(name: string): NativeLogger;
  debug(message: string, extra?: object): void;
  info(message: string, extra?: object): void;
  warn(message: string, extra?: object): void;
  error(message: string, extra?: object): void;
}

/** How kafkajs proves who the client is. */
export type NativeSasl =
  | {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
      readonly username: string;
      readonly password: string;
    }
  | {
      readonly mechanism: 'oauthbearer';
      readonly authenticationProvider: (broker: {
        readonly saslAuthenticate: (exchange: NativeSaslExchange) => Promise<Buffer>;
      }) => { authenticate(): Promise<void> };
    };

/** What is said to a broker to authenticate, and how its answer is read. */
export interface NativeSaslExchange {
  readonly request: { encode(): Promise<Buffer> };
  readonly response: { decode(bytes: Buffer): Promise<Buffer>; parse(bytes: Buffer): Buffer };
}

/** How kafkajs asks for a socket. `onConnect` is called when it can be used. */
export type NativeSocketFactory = (wanted: {
  readonly host: string;
  readonly port: number;
  readonly ssl: ConnectionOptions | null | undefined;
  readonly onConnect: () => void;
}) => Socket;

/** What a connection of kafkajs is made from. */
export interface NativeConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly ssl: ConnectionOptions | null;
  readonly sasl: NativeSasl | null;
  readonly logger: NativeLogger;
  readonly socketFactory: NativeSocketFactory;
  readonly connectionTimeout: number;
  readonly requestTimeout: number;
  readonly maxInFlightRequests: number | null;
}

/** Which versions of each API a broker speaks, by API key. */
export type ApiVersions = Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>>;

/** The requests of one connection that wait for the broker or for their turn. */
interface NativeRequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests: () => void;
  destroy(): void;
}

/** One connection of kafkajs: framing, correlation, authentication, throttling and request timeouts. */
export interface NativeConnection {
  readonly requestQueue: NativeRequestQueue;
  readonly socket?: Socket;
  connect(): Promise<unknown>;
  isConnected(): boolean;
  setVersions(versions: ApiVersions): void;
  setSupportAuthenticationProtocol(supported: boolean): void;
  authenticate(): Promise<void>;
  send(request: NativeRequest): Promise<unknown>;
  rejectRequests(error: Error): void;
  disconnect(): Promise<unknown>;
}

/** A request that is ready to be sent, and how its answer is read. */
export interface NativeRequest {
  readonly request: { readonly apiKey: number; readonly apiVersion: number; readonly apiName: string };
  readonly response: { decode(payload: Buffer): Promise<unknown>; parse(decoded: unknown): unknown };
  readonly requestTimeout?: number | undefined;
  readonly logResponseError?: boolean;
}

/** The versions of one API that kafkajs speaks. */
interface NativeApi {
  readonly versions: readonly string[];
  protocol(options: { readonly version: number }): (fields: object) => NativeRequest;
}

/** Writes what a request holds. */
export interface NativeEncoder {
  readonly buffer: Buffer;
  writeInt16(value: number): NativeEncoder;
  writeInt32(value: number): NativeEncoder;
  writeString(value: string | null): NativeEncoder;
  writeBytes(value: Buffer | null): NativeEncoder;
  writeArray(values: readonly (NativeEncoder | string | number)[]): NativeEncoder;
}

/** Reads what an answer holds. */
export interface NativeDecoder {
  readBoolean(): boolean;
  readInt16(): number;
  readInt32(): number;
  readInt64(): bigint;
  readString(): string;
  readBytes(): Buffer | null;
  readArray<T>(read: (decoder: NativeDecoder) => T): T[];
  canReadInt16(): boolean;
  canReadInt32(): boolean;
}

/** How kafkajs packs and unpacks the records of a batch. */
export interface NativeCodec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

/** A record of a format older than Kafka 0.11. */
export interface OldRecord {
  readonly offset: string;
  readonly timestamp?: string | null;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

// The types below are hand-written from the source of the pinned version; the integration tests run every one of them.
const Connection = require('kafkajs/src/network/connection') as new (
  options: NativeConnectionOptions,
) => NativeConnection;
const apis = require('kafkajs/src/protocol/requests') as { readonly requests: Readonly<Record<string, NativeApi>> };
const apiKeys = require('kafkajs/src/protocol/requests/apiKeys') as Readonly<Record<string, number>>;
const errors = require('kafkajs/src/protocol/error') as { createErrorFromCode(code: number): Error };
const errorClasses = require('kafkajs/src/errors') as {
  readonly KafkaJSConnectionClosedError: new (text: string, at: { host: string; port: number }) => Error;
  readonly KafkaJSConnectionError: new (text: string, at: { broker: string; code?: string }) => Error;
  readonly KafkaJSRequestTimeoutError: new (text: string, at: { broker: string }) => Error;
};
const compression = require('kafkajs/src/protocol/message/compression') as {
  readonly Codecs: Record<number, () => NativeCodec>;
};
const decodeMessageSet = require('kafkajs/src/protocol/messageSet/decoder') as (
  decoder: NativeDecoder,
  bytes: number,
) => Promise<OldRecord[]>;

export const Encoder = require('kafkajs/src/protocol/encoder') as new () => NativeEncoder;
export const Decoder = require('kafkajs/src/protocol/decoder') as new (buffer: Buffer) => NativeDecoder;

/** The codecs that kafkajs uses, by the number that a record batch names them with. Shared by all users of kafkajs. */
export const codecs: Record<number, () => NativeCodec> = compression.Codecs;

/** Makes a connection that is not open yet. */
export function createNativeConnection(options: NativeConnectionOptions): NativeConnection {
  const connection = new Connection(options);
  const { requestQueue } = connection;
  const schedule = requestQueue.scheduleCheckPendingRequests.bind(requestQueue);
  // After its first answer kafkajs looks for waiting requests every millisecond, for ever, and Node.js 24 warns of the
  // negative delay that it asks for (tulios/kafkajs#1704, #1751).
  requestQueue.scheduleCheckPendingRequests = () => {
    if (requestQueue.pending.length > 0) schedule();
  };
  return connection;
}

/** The number of an API. */
export function apiKeyOf(name: string): number {
  const key = apiKeys[name];
  if (key === undefined) throw new ConnectorError('internal', `kafkajs knows no API "${name}"`);
  return key;
}

/**
 * A request in the newest version that kafkajs and the broker both speak.
 *
 * @param atLeast The version from which on the API has what is needed
 * @throws {ConnectorError} `unsupported` when there is none
 */
export function createRequest(name: string, fields: object, versions: ApiVersions, atLeast: number): NativeRequest {
  const api = apis.requests[name];
  const spoken = versions[apiKeyOf(name)];
  const newest = Math.min(Math.max(...(api?.versions ?? []).map(Number)), spoken?.maxVersion ?? -1);
  if (api === undefined || spoken === undefined || newest < Math.max(atLeast, spoken.minVersion)) {
    const range = spoken === undefined ? 'none' : `${spoken.minVersion} to ${spoken.maxVersion}`;
    const text = `the broker speaks version ${range} of ${name}, and ${atLeast} or newer is needed. Kafka 2.3 and newer have it.`;
    throw new ConnectorError('unsupported', text);
  }
  return api.protocol({ version: newest })(fields);
}

/** The request that asks a broker which versions it speaks, in a version that every broker since 2.0 answers. */
export function createVersionsRequest(): NativeRequest {
  const api = apis.requests['ApiVersions'];
  if (api === undefined) throw new ConnectorError('internal', 'kafkajs knows no API "ApiVersions"');
  return api.protocol({ version: 2 })({});
}

/** The error that a code in an answer stands for, as kafkajs throws it. */
export function protocolError(code: number): Error {
  return errors.createErrorFromCode(code);
}

/** The error of a connection that is gone. */
export function closedError(host: string, port: number): Error {
  return new errorClasses.KafkaJSConnectionClosedError('the connection is closed', { host, port });
}

/** The error of a connection that did not come about. */
export function connectionError(text: string, broker: string): Error {
  return new errorClasses.KafkaJSConnectionError(text, { broker });
}

/** The error of a request that was not answered in time. */
export function timeoutError(text: string, broker: string): Error {
  return new errorClasses.KafkaJSRequestTimeoutError(text, { broker });
}

/** Decodes records of a format older than Kafka 0.11. */
export function decodeOldRecords(records: Buffer): Promise<OldRecord[]> {
  return decodeMessageSet(new Decoder(records), records.length);
}
