import type { DriverContext, Message, Position, SourceBatch, SourceDriver } from '@sluice/core/driver';
import { uniqueName } from '@sluice/testkit';
import { expect, onTestFinished } from 'vitest';
import { type CdcSourceConfig, type ChangesConfig, cdcConfig as schema } from '../src/changes/cdc-config.js';
import { openPostgresSource } from '../src/source.js';
import type { Database } from './database.js';

/** For what has to happen in other processes, or after some time. */
export const patience = { timeout: 20_000, interval: 5 };

export interface TestContext extends DriverContext {
  readonly notices: string[];
  readonly gauges: Map<string, number>;
}

export function testContext(pipeline = 'test'): TestContext {
  const notices: string[] = [];
  const gauges = new Map<string, number>();
  return {
    pipeline,
    id: 'postgres',
    signal: new AbortController().signal,
    metrics: { add: () => undefined, set: (name, value) => gauges.set(name, value) },
    notice: (text) => notices.push(text),
    notices,
    gauges,
  };
}

/** A config with names of its own; slot and publication are removed after the test. */
export function cdcConfig(database: Database, given: Partial<ChangesConfig> = {}): ChangesConfig {
  const name = uniqueName('cdc')
    .toLowerCase()
    .replaceAll(/[^a-z0-9_]/g, '_');
  onTestFinished(async () => {
    await database.rows(
      `select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active`,
      [name],
    );
    for (let isThere = true; isThere; ) {
      try {
        await database.rows(
          'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1',
          [name],
        );
        isThere = false;
      } catch (error) {
        if (!String(error).includes('is active')) throw error;
      }
    }
    await database.native.query(`drop publication if exists ${name}`);
  });
  return {
    url: database.server.url,
    mode: 'cdc',
    snapshot: 'never',
    slot: name,
    publication: name,
    create: true,
    ...given,
  };
}

/** Resolves when the slot of a pipeline is being read. */
export async function streams({ rows }: Database, { slot }: ChangesConfig): Promise<void> {
  const reading = 'select from pg_replication_slots where slot_name = $1 and active';
  await expect.poll(async () => (await rows(reading, [slot])).length, patience).toBe(1);
}

export async function openCdc(config: CdcSourceConfig, context: DriverContext = testContext()): Promise<SourceDriver> {
  const driver = await openPostgresSource(schema.parse(config), {}, context);
  onTestFinished(() => driver.close());
  return driver;
}

export interface ReaderSettings {
  /** Default: the changes. */
  readonly partition?: string;
  readonly position?: Position | undefined;
  readonly maxMessages?: number;
  readonly maxBytes?: number;
  readonly start?: 'earliest' | 'latest';
}

/** Reads a driver as the engine does: one pull at a time, an end that is asked for. */
export class Reader {
  readonly batches: SourceBatch[] = [];
  failure: Error | undefined;
  ended = false;
  readonly #abort = new AbortController();
  readonly #iterator: AsyncIterator<SourceBatch>;
  #paused = Promise.resolve();
  #resume: () => void = () => undefined;
  readonly #done: Promise<void>;

  constructor(
    driver: SourceDriver,
    { partition = 'changes', position, maxMessages = 1000, maxBytes = 1024 * 1024, start }: ReaderSettings = {},
  ) {
    const options = { maxMessages, maxBytes, signal: this.#abort.signal, ...(start === undefined ? {} : { start }) };
    this.#iterator = driver.read(partition, position, options)[Symbol.asyncIterator]();
    this.#done = this.#read();
    onTestFinished(() => this.stop());
  }

  async #read(): Promise<void> {
    try {
      for (;;) {
        await this.#paused;
        const result = await this.#iterator.next();
        if (result.done === true) break;
        this.batches.push(result.value);
      }
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error));
    }
    this.ended = true;
  }

  get messages(): readonly Message[] {
    return this.batches.flatMap(({ messages }) => messages);
  }

  get position(): Position | undefined {
    return this.batches.at(-1)?.position;
  }

  /** Asks for no further batch until it is undone. */
  pause(): void {
    this.#paused = new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  resume(): void {
    this.#resume();
  }

  /** Waits for so many messages in all. */
  async take(count: number): Promise<readonly Message[]> {
    for (const limit = Date.now() + patience.timeout; this.messages.length < count; ) {
      if (this.failure !== undefined) throw this.failure;
      if (this.ended || Date.now() > limit) throw new Error(`${this.messages.length} of ${count} messages came`);
      await new Promise((resolve) => setTimeout(resolve, patience.interval));
    }
    return this.messages;
  }

  /** Aborts, and waits until the pending pull has ended. */
  async abort(): Promise<void> {
    this.#abort.abort();
    this.#resume();
    await this.#done;
  }

  async stop(): Promise<void> {
    await this.abort();
    await this.#iterator.return?.();
  }
}

/** Operation, key and payload: what a test looks at as a rule. */
export function told(messages: readonly Message[]): unknown[] {
  return messages.map(({ operation, key, payload }) => [operation, key, payload]);
}

/** A reader whose slot stands, so that it misses nothing from here on. */
export async function started(driver: SourceDriver, settings: ReaderSettings = {}): Promise<Reader> {
  const reader = new Reader(driver, settings);
  await expect.poll(() => reader.failure ?? reader.position, patience).toBeDefined();
  if (reader.failure !== undefined) throw reader.failure;
  return reader;
}
