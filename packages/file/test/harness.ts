import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Checkpoint,
  createMessage,
  type DriverContext,
  type Message,
  type Position,
  type SinkBatch,
  type SourceBatch,
  type SourceDriver,
  type Value,
} from '@sluice/core/driver';
import { onTestFinished } from 'vitest';
import { type FileSinkConfig, type FileSourceConfig, sinkConfig, sourceConfig } from '../src/config.js';
import { openFileSink } from '../src/sink.js';
import { openFileSource } from '../src/source.js';

/** A folder of its own, removed when the test is over. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-file-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface TestContext extends DriverContext {
  readonly notices: string[];
}

export function testContext(pipeline = 'test'): TestContext {
  const notices: string[] = [];
  return {
    pipeline,
    id: 'file',
    signal: new AbortController().signal,
    metrics: { add: () => undefined, set: () => undefined },
    notice: (text) => notices.push(text),
    notices,
  };
}

/** For what has to happen in other processes, or after some time. */
export const patience = { timeout: 20_000, interval: 5 };

export const never: AbortSignal = new AbortController().signal;

export async function openSource(
  config: FileSourceConfig,
  context: DriverContext = testContext(),
): Promise<SourceDriver> {
  const driver = await openFileSource(sourceConfig.parse(config), context);
  onTestFinished(() => driver.close());
  return driver;
}

export async function openSink(
  config: FileSinkConfig,
  context: DriverContext = testContext(),
): ReturnType<typeof openFileSink> {
  const driver = await openFileSink(sinkConfig.parse(config), context);
  onTestFinished(() => driver.close());
  return driver;
}

/** Reads a partition to its end. */
export async function readBatches(
  driver: SourceDriver,
  partition: string,
  position?: Position,
  limits: { readonly maxMessages?: number; readonly maxBytes?: number } = {},
): Promise<SourceBatch[]> {
  const batches: SourceBatch[] = [];
  const options = { maxMessages: 1000, maxBytes: 1024 * 1024, signal: never, ...limits };
  for await (const batch of driver.read(partition, position, options)) batches.push(batch);
  return batches;
}

export function payloads(batches: readonly SourceBatch[]): unknown[] {
  return batches.flatMap(({ messages }) => messages.map(({ payload }) => plain(payload)));
}

/** Bytes as text, anything else as it is. */
export function plain(payload: Value): unknown {
  return payload instanceof Uint8Array ? Buffer.from(payload).toString('latin1') : payload;
}

/** Reads a partition in the background, as the engine does. */
export class Reader {
  readonly received: string[] = [];
  readonly batches: SourceBatch[] = [];
  failure: unknown;
  ended = false;
  readonly #abort = new AbortController();
  readonly #done: Promise<void>;

  constructor(driver: SourceDriver, partition: string, position?: Position, start?: 'earliest' | 'latest') {
    this.#done = this.#read(driver, partition, position, start);
    onTestFinished(() => this.stop());
  }

  /** The position just after the last message. */
  get position(): Position | undefined {
    return this.batches.at(-1)?.position;
  }

  async #read(
    driver: SourceDriver,
    partition: string,
    position?: Position,
    start?: 'earliest' | 'latest',
  ): Promise<void> {
    const options = { maxMessages: 1000, maxBytes: 1024 * 1024, signal: this.#abort.signal, ...(start && { start }) };
    try {
      for await (const batch of driver.read(partition, position, options)) {
        this.batches.push(batch);
        this.received.push(...batch.messages.map((message) => String(plain(message.payload))));
      }
    } catch (error) {
      this.failure = error;
    }
    this.ended = true;
  }

  /** What came so far, or why nothing comes any more. */
  readonly seen = (): unknown => this.failure ?? this.received;

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#done;
  }
}

/** A write of these payloads, all from one partition. */
export function batchOf(...payloads: (Value | string)[]): SinkBatch {
  const messages: Message[] = payloads.map((payload) =>
    createMessage({ payload: typeof payload === 'string' ? Buffer.from(payload) : payload }),
  );
  return { messages, slices: [{ partition: 'source:', from: 0, to: messages.length, position: undefined }] };
}

/** A checkpoint with this position of one partition. */
export function checkpointAt(position: Position, partition = 'source:'): Checkpoint {
  return { [partition]: { connector: 'test', version: 1, identity: null, position } };
}

export function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8');
}
