import {
  type Classify,
  type DriverContext,
  defineConnector,
  type ErasedConnector,
  type SinkDescriptor,
  type SourceDescriptor,
  secret,
  z,
} from '@sluice/core/driver';
import { type MemorySystem, memoryConnector, memorySystem } from '@sluice/core/testing';
import { type Connection, createDoor, type Door, ServerError } from './door.js';
import { remoteSink, remoteSource } from './memory-remote.js';

/** The memory system as one would meet it outside: behind a network, with a password, and with names that may be missing. */
export interface MemoryServer {
  readonly system: MemorySystem;
  readonly door: Door;
  readonly connector: ErasedConnector;
  /** Streams and destinations that exist. */
  readonly names: Set<string>;
  /** A client that shows no sign of life for this long is cut off. */
  readonly livenessTimeoutMs: number;
  /** When a source shows a sign of life. Default `always`; a mutant may know no better than `when pulled`. */
  heartbeats: 'always' | 'when pulled';
  /** What pipelines made here: a line for each source and sink, by pipeline and id. */
  readonly traces: Map<string, string>;
  close(): Promise<void>;
}

export type MemoryWorld = Omit<MemoryServer, 'connector' | 'close'> & {
  /** When each open connection was heard of last. */
  readonly heard: Map<Connection, number>;
};

export const serverAddress = 'memory.test:1';
export const serverPassword = 'correct horse battery';

const access = {
  server: z.string().min(1).describe('Where the system is.'),
  password: secret(z.string().min(1).describe('Password of the system.')),
};

/** What every config of it has. */
interface Access {
  readonly server: string;
  readonly password: string;
}

const classify: Classify = (error) => {
  if (!(error instanceof ServerError)) return undefined;
  const codes = {
    REFUSED: 'not_connected',
    RESET: 'not_connected',
    DENIED: 'unauthenticated',
    MISSING: 'not_found',
  } as const;
  return { code: codes[error.code] };
};

const tickMs = 5;

/** Starts a server without data. */
export function startMemoryServer(): MemoryServer {
  const system = memorySystem();
  const world: MemoryWorld = {
    system,
    door: createDoor(),
    names: new Set(),
    livenessTimeoutMs: 150,
    heartbeats: 'always',
    traces: new Map(),
    heard: new Map(),
  };
  const server = Object.assign(world, { connector: connectorOf(world), close: async () => {} });
  let closed = false;
  /** The system's time goes on with the real one, but never while this process is busy. */
  const time = (async () => {
    while (!closed) {
      await new Promise((resolve) => setTimeout(resolve, tickMs).unref());
      await system.clock.advance(world.door.passable ? tickMs : 0);
      cutOffSilent(world);
    }
  })();
  server.close = async () => {
    closed = true;
    await time;
  };
  return server;
}

function cutOffSilent({ system, heard, livenessTimeoutMs }: MemoryWorld): void {
  for (const [connection, at] of heard) {
    if (system.clock.now() - at > livenessTimeoutMs) connection.reset();
  }
}

async function connect(
  { door, names }: MemoryWorld,
  { server, password }: Access,
  { name, signal }: { readonly name: string; readonly signal: AbortSignal },
): Promise<Connection> {
  if (server !== serverAddress) throw new ServerError('REFUSED', `nothing listens at ${server}`);
  const connection = await door.connect(signal);
  try {
    if (password !== serverPassword) throw new ServerError('DENIED', `wrong password "${password}"`);
    if (!names.has(name)) throw new ServerError('MISSING', `"${name}" does not exist`);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

function connectorOf(world: MemoryWorld): ErasedConnector {
  const { descriptor } = memoryConnector(world.system, world.system.instance('client'));
  const { source, sink } = descriptor;
  if (source === undefined || sink === undefined) throw new Error('the memory connector reads and writes');
  return defineConnector({
    name: 'memory-server',
    title: 'Memory server',
    contract: 1,
    classify,
    source: sourceOf(world, source),
    sink: sinkOf(world, sink),
  }).descriptor;
}

type ConfigOf<Half> = Half extends { readonly config: infer Schema } ? Schema : never;
type MemoryHalves = ReturnType<typeof memoryConnector>['descriptor'];
type SourceSchema = ConfigOf<NonNullable<MemoryHalves['source']>>;
type SinkSchema = ConfigOf<NonNullable<MemoryHalves['sink']>>;

function sourceOf(world: MemoryWorld, source: SourceDescriptor<SourceSchema, object>) {
  const config = z.strictObject({ ...access, read: source.config.describe('What is read, and how.') });
  type Config = z.output<typeof config>;
  const enter = (given: Config, signal: AbortSignal): Promise<Connection> =>
    connect(world, given, { name: given.read.stream, signal });
  return {
    config,
    capabilities: (given: Config) => source.capabilities(given.read),
    async open(given: Config, _options: unknown, context: DriverContext) {
      const connection = await enter(given, context.signal);
      world.traces.set(traceOf(context), `group of ${given.read.stream}`);
      const driver = await source.open(given.read, {}, context);
      return remoteSource({ driver, connection, world, marksRepeats: !given.read.replayable });
    },
    ...outside(world, enter, ({ read }: Config) => read.stream),
  };
}

function sinkOf(world: MemoryWorld, sink: SinkDescriptor<SinkSchema, object>) {
  const config = z.strictObject({ ...access, write: sink.config.describe('What is written to, and how.') });
  type Config = z.output<typeof config>;
  const enter = (given: Config, signal: AbortSignal): Promise<Connection> =>
    connect(world, given, { name: given.write.destination, signal });
  return {
    config,
    capabilities: (given: Config) => sink.capabilities(given.write),
    async open(given: Config, _options: unknown, context: DriverContext) {
      const connection = await enter(given, context.signal);
      world.traces.set(traceOf(context), `fence of ${given.write.destination}`);
      return remoteSink(await sink.open(given.write, {}, context), connection);
    },
    ...outside(world, enter, ({ write }: Config) => write.destination),
  };
}

/** What both halves offer beside reading and writing. */
function outside<Config>(
  { traces }: MemoryWorld,
  enter: (config: Config, signal: AbortSignal) => Promise<Connection>,
  nameOf: (config: Config) => string,
) {
  return {
    check: async (config: Config, _options: unknown, signal: AbortSignal) => (await enter(config, signal)).close(),
    async discover(config: Config, _options: unknown, signal: AbortSignal) {
      (await enter(config, signal)).close();
      return [{ name: nameOf(config) }];
    },
    async teardown(_config: Config, _options: unknown, request: TraceRequest) {
      const line = traces.get(traceOf(request));
      if (request.remove) traces.delete(traceOf(request));
      return line === undefined ? [] : [line];
    },
  };
}

interface TraceRequest {
  readonly pipeline: string;
  readonly id: string;
  readonly remove: boolean;
}

function traceOf({ pipeline, id }: { readonly pipeline: string; readonly id: string }): string {
  return `${pipeline} ${id}`;
}
