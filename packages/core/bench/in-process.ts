import {
  type Connector,
  defineConnector,
  type Message,
  type SinkDriver,
  type SourceBatch,
  type SourceDriver,
  z,
} from '@sluice/core/driver';

/** What a source gives, and what it has given. */
export interface Feed {
  /** The messages of every batch: the same ones again and again. */
  readonly messages: readonly Message[];
  readonly partitions: number;
  readonly durationMs: number;
  /** Batches that were read, of all partitions. */
  batches: number;
}

const nothing = z.strictObject({});

/** A system that costs next to nothing: a source of ready messages, and a sink that forgets what it is given. */
export const inProcess: Connector<typeof nothing, { readonly feed: Feed }, typeof nothing, { readonly flushes: boolean }> =
  defineConnector({
    name: 'in-process',
    title: 'This process',
    contract: 1,
    source: {
      config: nothing,
      capabilities: () => ({
        position: 'engine',
        replayable: true,
        order: 'partition',
        bounded: true,
        window: false,
        changes: false,
        keyed: false,
      }),
      open: (_config, { feed }) => Promise.resolve(openFeed(feed)),
    },
    sink: {
      config: nothing,
      capabilities: () => ({
        atomic: false,
        idempotent: false,
        overlap: 'partitions',
        payload: 'bytes',
        changes: false,
        preferred: { maxMessages: 500, maxBytes: 1024 * 1024, maxInFlight: 4 },
      }),
      open: (_config, { flushes }) => Promise.resolve(openDrop(flushes)),
    },
  });

export function openFeed(feed: Feed): SourceDriver {
  const partitions = Array.from({ length: feed.partitions }, (_, index) => String(index));
  return {
    async *partitions() {
      yield partitions;
    },
    read: () => read(feed),
    close: () => Promise.resolve(),
  };
}

async function* read(feed: Feed): AsyncGenerator<SourceBatch> {
  const { messages } = feed;
  const bytes = messages.length * 100;
  const end = performance.now() + feed.durationMs;
  for (let position = messages.length; performance.now() < end; position += messages.length) {
    feed.batches++;
    yield { messages, position, bytes };
  }
}

export function openDrop(flushes: boolean): SinkDriver {
  return {
    write: () => Promise.resolve(),
    ...(flushes ? { flush: () => Promise.resolve() } : {}),
    close: () => Promise.resolve(),
  };
}
