import { z } from 'zod';
import type { SinkCapabilities, SourceCapabilities } from '../capabilities.js';
import { defineConnector } from '../define-connector.js';
import type { Sink } from '../sink.js';
import type { SinkDriver } from '../sink-driver.js';
import type { Source } from '../source.js';
import type { SourceDriver } from '../source-driver.js';

/** A bounded source that can be read again, in order, of messages without keys. */
export const plainReading: SourceCapabilities = {
  position: 'engine',
  replayable: true,
  order: 'partition',
  bounded: true,
  window: false,
  changes: false,
  keyed: false,
};

/** A sink that takes bytes, 1000 messages or 1 MiB at a time, and promises nothing. */
export const plainWriting: SinkCapabilities = {
  atomic: false,
  idempotent: false,
  overlap: 'none',
  payload: 'bytes',
  changes: false,
  preferred: { maxMessages: 1000, maxBytes: 1024 * 1024, maxInFlight: 1 },
};

const config = z.strictObject({});
const close = (): Promise<void> => Promise.resolve();

/**
 * A source of a driver that is written where it is used. It is opened with the same driver each time.
 * @param capabilities where they differ from a bounded source that can be replayed, in order, and of messages without keys
 */
export function inlineSource(
  name: string,
  driver: Pick<SourceDriver, 'read'> & Partial<SourceDriver>,
  capabilities: Partial<SourceCapabilities> = {},
): Source {
  return defineConnector({
    name,
    title: name,
    contract: 1,
    source: {
      config,
      capabilities: () => ({ ...plainReading, ...capabilities }),
      open: () => Promise.resolve({ close, ...driver }),
    },
  }).source({});
}

/**
 * A sink of a driver that is written where it is used. It is opened with the same driver each time.
 * @param capabilities where they differ from a sink that takes bytes, 1000 messages or 1 MiB at a time, and promises nothing
 */
export function inlineSink(
  name: string,
  driver: Pick<SinkDriver, 'write'> & Partial<SinkDriver>,
  capabilities: Partial<SinkCapabilities> = {},
): Sink {
  return defineConnector({
    name,
    title: name,
    contract: 1,
    sink: {
      config,
      capabilities: () => ({ ...plainWriting, ...capabilities }),
      open: () => Promise.resolve({ close, ...driver }),
    },
  }).sink({});
}
