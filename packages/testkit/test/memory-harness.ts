import { type ErrorCode, type Message, toNullableBytes, type Value } from '@sluice/core/driver';
import type { MemoryDestination, MemorySinkInput, MemorySourceInput, MemoryStream } from '@sluice/core/testing';
import type {
  Carries,
  Harness,
  NativeMessage,
  SinkHarness,
  SinkPlace,
  SourceHarness,
  SourcePlace,
  WrongConfig,
} from '../src/conformance/harness.js';
import { redeliveredTopic } from './memory-remote.js';
import { type MemoryServer, serverAddress, serverPassword } from './memory-server.js';

/** Which mode of the memory system is tested. */
export interface MemoryMode {
  readonly source?: Partial<MemorySourceInput>;
  readonly sink?: Partial<MemorySinkInput>;
  /** What its destinations cannot carry, and refuse. Default: they carry everything. */
  readonly carries?: Partial<Carries>;
}

export const wrongPassword = 'wrong horse staple';

const carries: Carries = {
  key: true,
  headers: 'repeated',
  timestamp: true,
  nullPayload: true,
  emptyPayload: true,
  anyByte: true,
  maxPayloadBytes: Number.POSITIVE_INFINITY,
};

const access = { server: serverAddress, password: serverPassword };
let made = 0;

/** The harness of one mode. */
export function memoryHarness(server: MemoryServer, mode: MemoryMode = {}): Harness {
  return {
    connector: server.connector,
    module: { because: 'the memory server lives in the process of the test, and its data with it' },
    source: sourceHarness(server, mode.source ?? {}),
    sink: sinkHarness(server, mode.sink ?? {}, {
      ...carries,
      ...(mode.sink?.idempotent === 'key' ? { nullPayload: false } : {}),
      ...mode.carries,
    }),
    faults: server.door,
    secrets: [serverPassword, wrongPassword],
    close: server.close,
  };
}

function wrongConfigs(config: (name: string) => object): {
  missing: WrongConfig;
  wrongCredentials: WrongConfig;
  unreachable: WrongConfig;
} {
  return {
    missing: { config: { ...access, ...config('nowhere') } },
    wrongCredentials: { config: { ...access, password: wrongPassword, ...config('any') } },
    unreachable: { config: { ...access, server: 'elsewhere.test:1', ...config('any') } },
  };
}

function sourceHarness(server: MemoryServer, mode: Partial<MemorySourceInput>): SourceHarness {
  const configOf = (stream: string): object => ({ read: { group: 'readers', ...mode, stream } });
  return {
    carries,
    ...wrongConfigs(configOf),
    livenessTimeoutMs: server.livenessTimeoutMs,
    ...(mode.replayable === false ? { redelivered: ({ topic }) => topic === redeliveredTopic } : {}),
    createPlace: async (partitions) => {
      const name = `stream-${++made}`;
      server.names.add(name);
      return sourcePlace(server, { name, mode, partitions, config: { ...access, ...configOf(name) } });
    },
  };
}

interface PlaceSetup {
  readonly name: string;
  readonly mode: Partial<MemorySourceInput>;
  readonly partitions: number;
  readonly config: object;
}

function sourcePlace(server: MemoryServer, { name, mode, partitions, config }: PlaceSetup): SourcePlace {
  const stream = server.system.stream(name);
  const single = mode.partitions === 'single';
  const names = single ? [''] : Array.from({ length: partitions }, (_, index) => `p${index}`);
  for (const each of names) stream.log(each);
  const group = stream.group('readers');
  return {
    config,
    partitions: names,
    produce: async (messages, partition = names[0] ?? '') =>
      produce(stream, partition, messages, mode.changes === true),
    committed:
      mode.position === 'none' || mode.commits === false
        ? { because: 'nobody is told of its positions' }
        : async (partition) => {
            const { committed, settled } = group.progress(partition);
            return mode.replayable === false ? settled.size : (committed ?? 0);
          },
    discard:
      mode.position === 'none' || mode.replayable === false
        ? { because: 'it has no positions' }
        : async (partition, count) => stream.discard(partition, count),
    addPartition:
      mode.partitions === 'assigned'
        ? async () => {
            const added = `p${stream.partitions().length}`;
            stream.log(added);
            return added;
          }
        : { because: 'this mode reads the partitions that are there when it is opened' },
    takeAway:
      mode.partitions === 'assigned'
        ? async (partition) => {
            group.lose(partition, null);
            return { giveBack: async () => group.assignment.assign(partition, undefined) };
          }
        : { because: 'nobody else can take a partition in this mode' },
    remove: async () => {
      server.names.delete(name);
    },
  };
}

function produce(stream: MemoryStream, partition: string, messages: readonly NativeMessage[], changes: boolean): void {
  stream.produce(
    partition,
    messages.map(({ payload, key = null, headers = [], timestamp }) => ({
      payload,
      key,
      headers,
      timestamp,
      operation: changes ? 'create' : undefined,
    })),
  );
}

function sinkHarness(server: MemoryServer, mode: Partial<MemorySinkInput>, sinkCarries: Carries): SinkHarness {
  const configOf = (destination: string): object => ({ write: { ...mode, destination } });
  const isFlushed = mode.atomic === true || mode.flush === true;
  return {
    carries: sinkCarries,
    ...wrongConfigs(configOf),
    refused: () => ({ payload: Buffer.from('the server refuses this'), key: Buffer.from('refused') }),
    isCommitRequest: (bytes) => Buffer.from(bytes).toString() === (isFlushed ? 'flush' : 'write'),
    createPlace: async () => {
      const name = `destination-${++made}`;
      server.names.add(name);
      const isKeyed = mode.idempotent === 'key';
      server.system.destination(name).refuses = (message) => {
        if (!isKeyed) return whyNotStored(message, sinkCarries);
        // Without a payload it deletes.
        return message.key === null ? 'message_invalid' : whyNotStored(message, { ...sinkCarries, nullPayload: true });
      };
      return sinkPlace(server, name, { ...access, ...configOf(name) }, mode);
    },
    createValuePlace: async () => {
      const name = `destination-${++made}`;
      server.names.add(name);
      const destination = server.system.destination(name);
      destination.refuses = ({ payload }) => (isFields(payload) ? undefined : 'message_invalid');
      return {
        config: { ...access, write: { ...mode, destination: name, payload: 'value' } },
        values: [
          { number: 1, text: 'größer', nothing: null },
          { number: 9_007_199_254_740_993n },
          { list: [{ a: 0 }] },
        ],
        refusedValue: 'no fields',
        storedValues: async () => destination.stored.map(({ message }) => message.payload),
        remove: async () => {
          server.names.delete(name);
        },
      };
    },
  };
}

function isFields(value: Value): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sinkPlace(server: MemoryServer, name: string, config: object, mode: Partial<MemorySinkInput>): SinkPlace {
  const destination = server.system.destination(name);
  return {
    config,
    stored: async () => {
      const everything = destination.stored.map(({ message }) => message);
      if (mode.idempotent !== 'key') return [everything.map(asStored)];
      const rows = [...destination.table().values()].filter(
        ({ operation, payload }) => operation !== 'delete' && payload !== null,
      );
      return [rows.map(asStored)];
    },
    remove: async () => {
      server.names.delete(name);
    },
  };
}

function whyNotStored(
  { payload }: Message,
  { nullPayload, emptyPayload, anyByte, maxPayloadBytes }: Carries,
): ErrorCode | undefined {
  if (payload === null) return nullPayload ? undefined : 'message_invalid';
  const bytes = Buffer.from(toNullableBytes(payload) ?? []);
  if (bytes.length > maxPayloadBytes) return 'message_too_large';
  const isInvalid =
    (!emptyPayload && bytes.length === 0) || (!anyByte && bytes.includes('\n')) || bytes.includes('the server refuses');
  return isInvalid ? 'message_invalid' : undefined;
}

/** The destination that a sink's parsed config names. */
export function destinationOf({ system }: MemoryServer, config: unknown): MemoryDestination {
  // The config of memory-server.ts.
  return system.destination((config as { readonly write: { readonly destination: string } }).write.destination);
}

function asStored(message: Message): NativeMessage {
  return {
    payload: toNullableBytes(message.payload),
    key: toNullableBytes(message.key),
    headers: message.headers.map(([name, value]) => [name, toNullableBytes(value) ?? new Uint8Array()] as const),
    ...(message.timestamp === undefined ? {} : { timestamp: message.timestamp }),
  };
}
