import { expect } from 'vitest';
import type { DriverContext } from '../../src/connector.js';
import type { ErrorCode } from '../../src/error.js';
import { createMessage } from '../../src/message.js';
import type { Checkpoint, SinkBatch, SinkDriver } from '../../src/sink-driver.js';
import type { Position, ReadOptions, SourceBatch, SourceDriver } from '../../src/source-driver.js';
import {
  type MemoryInstance,
  type MemorySinkInput,
  type MemorySourceInput,
  type MemorySystem,
  memoryConnector,
} from '../../src/testing/index.js';

function contextOf(pipeline: string, id: string): DriverContext {
  return {
    pipeline,
    id,
    signal: new AbortController().signal,
    metrics: { add: () => {}, set: () => {} },
    notice: () => {},
  };
}

/** Opens a source driver as the engine does, for stream `in`. */
export async function openSource(
  system: MemorySystem,
  config: Partial<MemorySourceInput> = {},
  instance: MemoryInstance = system.instance('a'),
): Promise<SourceDriver> {
  const source = memoryConnector(system, instance).source({ stream: 'in', ...config });
  const driver = await source.connector.source?.open(source.config, {}, contextOf('copy', 'source'));
  if (driver === undefined) throw new Error('no source');
  return driver;
}

/** Opens a sink driver as the engine does, for destination `out`; with the id `sink` it is the only one of its pipeline. */
export async function openSink(
  system: MemorySystem,
  config: Partial<MemorySinkInput> = {},
  instance: MemoryInstance = system.instance('a'),
  id = 'one',
): Promise<SinkDriver> {
  const sink = memoryConnector(system, instance).sink({ destination: 'out', payload: 'value', ...config });
  const driver = await sink.connector.sink?.open(sink.config, {}, contextOf('copy', id));
  if (driver === undefined) throw new Error('no sink');
  return driver;
}

/** A lease under test. */
export interface TestLease {
  next(): Promise<IteratorResult<SourceBatch, unknown>>;
  /** The next batch; fails the test when there is none. */
  batch(): Promise<SourceBatch>;
  /** Aborts the signal only. */
  abort(): void;
  /** Aborts the signal and ends the iterator, as the engine does. */
  end(): Promise<void>;
  /** Ends the iterator without aborting. */
  breakOff(): Promise<unknown>;
}

/** Begins to read. */
export function lease(
  driver: SourceDriver,
  partition = 'p',
  position?: Position,
  options: Partial<ReadOptions> = {},
): TestLease {
  const abort = new AbortController();
  const read = driver.read(partition, position, {
    maxMessages: 100,
    maxBytes: 1_000_000,
    signal: abort.signal,
    ...options,
  });
  const iterator = read[Symbol.asyncIterator]();
  return {
    next: () => iterator.next(),
    async batch() {
      const result = await iterator.next();
      if (result.done) throw new Error('the iterator has ended');
      return result.value;
    },
    abort: () => abort.abort(),
    async end() {
      abort.abort();
      await iterator.return?.();
    },
    breakOff: async () => await iterator.return?.(),
  };
}

/** Messages whose keys are these texts. */
export function keyed(...keys: readonly string[]): { key: string; payload: string }[] {
  return keys.map((key) => ({ key, payload: key }));
}

/** Keys of the messages of a batch. */
export function keysOf(batch: SourceBatch): unknown[] {
  return batch.messages.map(({ key }) => key);
}

/** Keys of what a destination has stored. */
export function storedKeys(system: MemorySystem, destination = 'out'): unknown[] {
  return system.destination(destination).stored.map(({ message }) => message.key);
}

/** A write of one partition. */
export function batchOf(partition: string, ...keys: readonly string[]): SinkBatch {
  return {
    messages: keyed(...keys).map(createMessage),
    slices: [{ partition, from: 0, to: keys.length, position: undefined }],
  };
}

/** A checkpoint of one partition at a number. */
export function checkpointAt(partition: string, position: number): Checkpoint {
  return { [partition]: { connector: 'memory', version: 1, identity: null, position } };
}

/** A signal that nobody aborts. */
export function noSignal(): AbortSignal {
  return new AbortController().signal;
}

/** Expects a rejection with an error code. */
export async function expectCode(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  await expect(promise).rejects.toMatchObject({ code });
}

/** Expects that the call was refused as a breach of the contract, and recorded. */
export async function expectViolation(system: MemorySystem, call: () => unknown, text: string): Promise<void> {
  const before = system.violations.found.length;
  await expectCode((async () => await call())(), 'internal');
  expect(system.violations.found.slice(before).join('\n')).toContain(text);
}

/** Whether a promise is still pending when everything that needs no time has happened. */
export async function pending(system: MemorySystem, promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const mark = (): void => {
    settled = true;
  };
  promise.then(mark, mark);
  await system.clock.advance(0);
  return !settled;
}
