import type {
  DriverContext,
  ErasedConnector,
  Message,
  SinkDriver,
  SourceBatch,
  SourceDescriptor,
  SourceDriver,
} from '@sluice/core/driver';
import type { MemoryStream } from '@sluice/core/testing';
import type { Harness } from '../../src/conformance/harness.js';
import type { MemoryMode } from '../memory-harness.js';
import type { MemoryServer } from '../memory-server.js';

/** The connector of the memory server with one thing wrong, and the behaviour that must notice. */
export interface Mutant {
  /** Title of the behaviour. */
  readonly behaviour: string;
  /** What is wrong, as a sentence without its subject: `brings every tenth message twice`. */
  readonly what: string;
  /** Left out: a log whose positions the engine keeps, and a sink without flush. */
  readonly mode?: MemoryMode;
  /** What the behaviour says about it. */
  readonly says: RegExp;
  mutate(connector: ErasedConnector, server: MemoryServer): ErasedConnector;
  /** The module that is imported instead, where the fault is in that: without the fault, and with it. */
  readonly modules?: { readonly healthy: Harness['module']; readonly broken: Harness['module'] };
}

/** What a broken driver is made of. */
export interface Opened {
  readonly context: DriverContext;
  /** The parsed config. */
  readonly config: unknown;
  readonly server: MemoryServer;
}

/** A connector whose source drivers are made of the healthy ones. */
export function brokenSource(patch: (driver: SourceDriver, opened: Opened) => SourceDriver): Mutant['mutate'] {
  return (connector, server) => {
    const { source } = connector;
    if (source === undefined) throw new Error('no source');
    return {
      ...connector,
      source: {
        ...source,
        open: async (config, options, context) =>
          patch(await source.open(config, options, context), { config, context, server }),
      },
    };
  };
}

/** A connector whose sink drivers are made of the healthy ones. */
export function brokenSink(patch: (driver: SinkDriver, opened: Opened) => SinkDriver): Mutant['mutate'] {
  return (connector, server) => {
    const { sink } = connector;
    if (sink === undefined) throw new Error('no sink');
    return {
      ...connector,
      sink: {
        ...sink,
        open: async (config, options, context) =>
          patch(await sink.open(config, options, context), { config, context, server }),
      },
    };
  };
}

/** A connector whose halves are changed as data: their schemas and functions. */
export function brokenHalves(
  change: (half: AnyHalf, direction: 'source' | 'sink') => Partial<AnyHalf>,
  only: readonly ('source' | 'sink')[] = ['source', 'sink'],
): Mutant['mutate'] {
  return (connector) => {
    const { source, sink } = connector;
    if (source === undefined || sink === undefined) throw new Error('the memory server reads and writes');
    return {
      ...connector,
      source: only.includes('source') ? { ...source, ...change(source, 'source') } : source,
      sink: only.includes('sink') ? { ...sink, ...change(sink, 'sink') } : sink,
    };
  };
}

type AnyHalf = Pick<SourceDescriptor, 'config' | 'check' | 'discover' | 'teardown'>;

/** A connector whose source is opened with another config than it was asked for. */
export function openedWith(change: Readonly<Record<string, unknown>>): Mutant['mutate'] {
  return (connector) => {
    const { source } = connector;
    if (source === undefined) throw new Error('no source');
    return {
      ...connector,
      source: {
        ...source,
        open: (config, ...rest) => {
          const given = config as { readonly read: object }; // what the memory server's schema gives
          return source.open({ ...given, read: { ...given.read, ...change } }, ...rest);
        },
      },
    };
  };
}

/** The stream that a source driver reads, at its server. */
export function streamOf({ server, config }: Opened): MemoryStream {
  const { read } = config as { readonly read: { readonly stream: string } }; // what the memory server's schema gives
  return server.system.stream(read.stream);
}

/** A source driver whose batches go through a function; each lease has its own. */
export function brokenBatches(change: () => (batch: SourceBatch) => SourceBatch): Mutant['mutate'] {
  return brokenSource((driver) => ({
    ...driver,
    async *read(...request) {
      const changed = change();
      for await (const batch of driver.read(...request)) yield changed(batch);
    },
  }));
}

/** A source driver whose messages go through a function. */
export function brokenRead(change: (message: Message) => Message): Mutant['mutate'] {
  return brokenBatches(() => (batch) => ({ ...batch, messages: batch.messages.map(change) }));
}
