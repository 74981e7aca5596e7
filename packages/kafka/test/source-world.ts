import { setTimeout as pause } from 'node:timers/promises';
import type { DriverContext, Message, Position, ReadOptions, SourceBatch, SourceDriver } from '@sluice/core/driver';
import { createTopic, type KafkaServer } from '@sluice/testkit';
import type { Admin, Producer } from 'kafkajs';
import { afterAll, beforeAll } from 'vitest';
import type { KafkaOptions } from '../src/options.js';
import { openKafkaSource } from '../src/source.js';
import { type KafkaSourceConfig, sourceConfig } from '../src/source-config.js';
import { type Broker, useBroker } from './broker.js';

/** A server of one test file, with topics, native clients and sources. */
export interface SourceWorld<Server extends KafkaServer> extends Broker<Server> {
  readonly admin: Admin;
  readonly producer: Producer;
  createTopic(partitions?: number, settings?: Readonly<Record<string, string>>): Promise<string>;
  /** Stores these texts in one partition, in order. */
  produce(topic: string, texts: readonly string[], partition?: number): Promise<void>;
  /** Makes the broker forget what lies before an offset; -1 is everything. */
  discard(topic: string, offset: number): Promise<void>;
  open(config: Omit<KafkaSourceConfig, 'brokers'>, options?: KafkaOptions): Promise<SourceDriver>;
  /** Opens a source and follows it as the engine does. */
  follow(config: Omit<KafkaSourceConfig, 'brokers'>, habits?: Habits): Promise<Follower>;
}

/** Short times for what takes long by default. */
export const quick = {
  sessionTimeoutMs: 6000,
  heartbeatIntervalMs: 100,
  refreshIntervalMs: 200,
  requestTimeoutMs: 5000,
};

/** Starts a server before the tests of a file; closes clients and sources and stops it after them. */
export function useSourceWorld<Server extends KafkaServer>(start: () => Promise<Server>): SourceWorld<Server> {
  const broker = useBroker(start);
  let admin: Admin;
  let producer: Producer;
  const opened: SourceDriver[] = [];
  beforeAll(async () => {
    admin = broker.server.native.admin();
    producer = broker.server.native.producer({ allowAutoTopicCreation: false, metadataMaxAge: 100 });
    await Promise.all([admin.connect(), producer.connect()]);
  });
  afterAll(async () => {
    await Promise.all(opened.map((source) => source.close()));
    await Promise.all([admin?.disconnect(), producer?.disconnect()]);
  });
  const open: SourceWorld<Server>['open'] = async (config, options = {}) => {
    const parsed = sourceConfig.parse({ brokers: broker.server.brokers, ...quick, ...config });
    const source = await openKafkaSource(parsed, options, context());
    opened.push(source);
    return source;
  };
  return {
    get server() {
      return broker.server;
    },
    get admin() {
      return admin;
    },
    get producer() {
      return producer;
    },
    open,
    createTopic(partitions = 1, settings = {}) {
      // Messages of long ago are to stay, too.
      return createTopic(broker.server, { partitions, settings: { 'retention.ms': '-1', ...settings } });
    },
    async produce(topic, texts, partition = 0) {
      const stored = await producer.send({ topic, messages: texts.map((value) => ({ value, partition })) });
      // kafkajs says nothing of a partition that it does not know, and sends nothing.
      if (stored.length === 0) throw new Error(`kafkajs does not know partition ${partition} of ${topic}`);
    },
    discard: (topic, offset) =>
      eventually(async () => {
        await admin.fetchTopicOffsets(topic); // kafkajs deletes nothing of a topic that it has not looked up before
        await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
      }),
    follow: async (config, habits) => new Follower(await open(config), habits),
  };
}

export function context(signal: AbortSignal = new AbortController().signal): DriverContext {
  const ignore = (): void => undefined;
  return { pipeline: 'test', id: 'source', signal, metrics: { add: ignore, set: ignore }, notice: ignore };
}

/** Waits until a condition holds. */
export async function until(condition: () => boolean | Promise<boolean>, ms = 15_000): Promise<void> {
  for (const end = Date.now() + ms; !(await condition()); await pause(5)) {
    if (Date.now() > end) throw new Error(`this never became true: ${String(condition)}`);
  }
}

/** Tries again what a native client fails at while a new topic is not known to it. */
export async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (const end = Date.now() + 15_000; ; await pause(50)) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}

/** The text of a payload. */
export function textOf({ payload }: Message): string | null {
  if (payload === null) return null;
  if (!Buffer.isBuffer(payload)) throw new TypeError('a payload that is no buffer');
  return payload.toString();
}

/** The texts `from` up to, not with, `to`. */
export function texts(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => String(from + index));
}

/** How to read one partition alone. */
export function readOptions(options: Partial<ReadOptions> = {}): ReadOptions {
  return { maxMessages: 10_000, maxBytes: 1024 * 1024, signal: new AbortController().signal, ...options };
}

/** Reads a partition until `count` messages have come. */
export async function take(
  source: SourceDriver,
  partition: string,
  count: number,
  { position, ...options }: Partial<ReadOptions> & { position?: Position } = {},
): Promise<SourceBatch[]> {
  const batches: SourceBatch[] = [];
  const stop = new AbortController();
  for await (const batch of source.read(partition, position, readOptions({ signal: stop.signal, ...options }))) {
    batches.push(batch);
    if (batches.reduce((sum, { messages }) => sum + messages.length, 0) >= count) {
      stop.abort();
      break;
    }
  }
  return batches;
}

/** The next batch of a reading that is not to end yet. */
export async function nextOf(reading: AsyncIterator<SourceBatch>): Promise<SourceBatch> {
  const result = await reading.next();
  if (result.done === true) throw new Error('the reading ended');
  return result.value;
}

/** What a follower does. */
export interface Habits {
  /** Whether it commits each batch. Default true. */
  readonly commits?: boolean;
  /** Waited for before the next set is asked for, when partitions have left it. */
  readonly drain?: () => Promise<void>;
}

/** Follows the sets of a source and reads what is in them, as the engine does. */
export class Follower {
  readonly source: SourceDriver;
  /** Every message, in the order of arrival. */
  readonly texts: (string | null)[] = [];
  /** Every set that was told. */
  readonly sets: (readonly string[])[] = [];
  /** Errors of reads, by partition. */
  readonly readErrors = new Map<string, unknown>();
  error: unknown;
  ended = false;
  readonly #habits: Habits;
  readonly #stop = new AbortController();
  readonly #reads = new Map<string, { readonly stop: AbortController; readonly done: Promise<void> }>();
  readonly #done: Promise<void>;

  constructor(source: SourceDriver, habits: Habits = {}) {
    this.source = source;
    this.#habits = habits;
    this.#done = this.#follow().catch((error: unknown) => {
      this.error = error;
    });
  }

  get held(): readonly string[] {
    return this.sets.at(-1)?.toSorted() ?? [];
  }

  async close(): Promise<void> {
    this.#stop.abort();
    for (const { stop } of this.#reads.values()) stop.abort();
    await Promise.all([...this.#reads.values()].map(({ done }) => done));
    await this.source.close();
    await this.#done;
  }

  async #follow(): Promise<void> {
    for await (const set of this.source.partitions?.(this.#stop.signal) ?? []) {
      this.sets.push(set);
      const leaving = [...this.#reads].filter(([partition]) => !set.includes(partition));
      for (const [partition, { stop, done }] of leaving) {
        stop.abort();
        await done;
        this.#reads.delete(partition);
      }
      if (leaving.length > 0) await this.#habits.drain?.();
      for (const partition of set) {
        if (this.#reads.has(partition) && !this.readErrors.delete(partition)) continue;
        const stop = new AbortController();
        this.#reads.set(partition, { stop, done: this.#read(partition, stop.signal) });
      }
    }
    await Promise.all([...this.#reads.values()].map(({ done }) => done));
    this.ended = true;
  }

  async #read(partition: string, signal: AbortSignal): Promise<void> {
    try {
      for await (const { messages, position } of this.source.read(partition, undefined, readOptions({ signal }))) {
        this.texts.push(...messages.map(textOf));
        if (this.#habits.commits !== false) await this.source.commit?.(partition, position);
      }
    } catch (error) {
      this.readErrors.set(partition, error);
    }
  }
}
