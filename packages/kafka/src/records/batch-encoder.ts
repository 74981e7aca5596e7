import { ConnectorError, type Message } from '@sluice/core/driver';
import { codecs } from '../connection/protocol.js';
import type { TopicDirectory, TopicLayout } from '../connection/topic-directory.js';
import type { RecordFields } from '../message.js';
import type { Delivery } from '../writing/delivery.js';
import { murmur2 } from '../writing/murmur2.js';
import { RecordWriter } from '../writing/record-writer.js';
import { type Compression, compressionTypes } from './compression.js';

/** Records for one partition, ready to be sent but for the stamp. */
export interface ProduceBatch {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
  /** Index of the message of each record. */
  readonly indexes: readonly number[];
  readonly delivery: Delivery;
  /** Encodes some of its records anew, by their places in the batch. */
  again(places: readonly number[]): Promise<ProduceBatch>;
}

/** How batches are encoded. */
export interface BatchSettings {
  readonly compression: Compression;
  readonly maxBatchBytes: number;
  readonly maxRequestBytes: number;
}

/** A range of the messages of a write, and what is to be told of them. */
export interface MessageRange {
  readonly messages: readonly Message[];
  readonly from: number;
  readonly to: number;
  readonly delivery: Delivery;
}

/** Records of one partition that are being gathered. */
interface Draft {
  readonly partition: number;
  readonly writer: RecordWriter;
  readonly indexes: number[];
}

/** A topic as one call of {@link BatchEncoder.encode} fills it. */
interface TopicDrafts {
  readonly layout: TopicLayout;
  /** Where the messages without a key go: all of one write to one partition, because larger batches are cheaper. */
  readonly keyless: number;
  /** By partition. */
  readonly drafts: (Draft | undefined)[];
  /** Bytes of the last batch of each partition: the next one is likely to be as large. */
  readonly lastBytes: number[];
}

/** Room in a request for what stands around a record. */
const requestOverheadBytes = 4096;
const firstBytes = 16_384;

/** Sorts messages by topic and partition, and encodes them into batches of bounded size. */
export class BatchEncoder {
  readonly #fields: RecordFields;
  readonly #directory: TopicDirectory;
  readonly #settings: BatchSettings;
  readonly #lastBytes = new Map<string, number[]>();
  /** Starts anywhere, so that several instances do not walk in step. */
  #turn = Math.floor(Math.random() * 1000);

  constructor(fields: RecordFields, directory: TopicDirectory, settings: BatchSettings) {
    this.#fields = fields;
    this.#directory = directory;
    this.#settings = settings;
  }

  /** The batches of some messages, by partition in their order. Messages that cannot be sent are refused in their delivery. */
  async encode(range: MessageRange, signal: AbortSignal): Promise<readonly ProduceBatch[]> {
    const now = Date.now();
    const topics = this.#topicsOf(range);
    const layouts = await this.#layouts(new Set(topics), now, signal);
    const filling = new Map<string, TopicDrafts>();
    const sealed: Promise<ProduceBatch>[] = [];
    for (let index = range.from; index < range.to; index++) {
      const message = range.messages[index];
      const topic = topics.length === 1 ? topics[0] : topics[index - range.from];
      if (message === undefined || topic === undefined) continue;
      const layout = layouts.get(topic);
      if (layout === undefined || layout instanceof Error) {
        range.delivery.refuse(index, layout);
        continue;
      }
      try {
        const drafts = filling.get(topic) ?? this.#begin(layout, filling);
        const full = this.#add(message, index, drafts, now);
        if (full !== undefined) sealed.push(this.#seal(topic, full, range));
      } catch (error) {
        range.delivery.refuse(index, error);
      }
    }
    for (const [topic, { drafts, lastBytes }] of filling) {
      for (const draft of drafts) {
        if (draft === undefined) continue;
        lastBytes[draft.partition] = draft.writer.bytes;
        sealed.push(this.#seal(topic, draft, range));
      }
    }
    return await Promise.all(sealed);
  }

  /** The topic of each message, or just one when it is the same for all; undefined where a message does not tell. */
  #topicsOf({ messages, from, to, delivery }: MessageRange): (string | undefined)[] {
    if (this.#fields.onlyTopic !== undefined) return [this.#fields.onlyTopic];
    const topics: (string | undefined)[] = [];
    for (let index = from; index < to; index++) {
      const message = messages[index];
      try {
        topics.push(message && this.#fields.topic(message));
      } catch (error) {
        topics.push(undefined);
        delivery.refuse(index, error);
      }
    }
    return topics;
  }

  async #layouts(
    topics: ReadonlySet<string | undefined>,
    now: number,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, TopicLayout | Error>> {
    const layouts = new Map<string, TopicLayout | Error>();
    const missing: string[] = [];
    for (const topic of topics) {
      if (topic === undefined) continue;
      const known = this.#directory.known(topic, now);
      if (known !== undefined) layouts.set(topic, known);
      else missing.push(topic);
    }
    if (missing.length === 0) return layouts;
    const found = await this.#directory.find(missing, signal);
    for (const [topic, layout] of found) layouts.set(topic, layout);
    return layouts;
  }

  #begin(layout: TopicLayout, filling: Map<string, TopicDrafts>): TopicDrafts {
    const { topic, available } = layout;
    const lastBytes = this.#lastBytes.get(topic) ?? [];
    this.#lastBytes.set(topic, lastBytes);
    const keyless = available[this.#turn++ % available.length] ?? 0;
    const drafts: TopicDrafts = { layout, keyless, drafts: [], lastBytes };
    filling.set(topic, drafts);
    return drafts;
  }

  /** Adds a message to the draft of its partition; a draft that is full by that comes back without it. */
  #add(message: Message, index: number, topic: TopicDrafts, now: number): Draft | undefined {
    const fields = this.#fields;
    const key = fields.key(message);
    const value = fields.value(message);
    const headers = fields.headers(message);
    const timestamp = fields.timestamp(message) ?? now;
    const partition = this.#partition(message, key, topic);
    this.#checkSize((key?.length ?? 0) + (value?.length ?? 0));
    const draft = topic.drafts[partition] ?? newDraft(partition, topic.lastBytes[partition]);
    topic.drafts[partition] = draft;
    draft.writer.append(key, value, headers, timestamp);
    if (draft.writer.bytes <= this.#settings.maxBatchBytes || draft.writer.count === 1) {
      draft.indexes.push(index);
      return undefined;
    }
    draft.writer.dropLast();
    const next = newDraft(partition, draft.writer.bytes);
    topic.drafts[partition] = next;
    next.writer.append(key, value, headers, timestamp);
    next.indexes.push(index);
    return draft;
  }

  #partition(message: Message, key: Uint8Array | null, { layout, keyless }: TopicDrafts): number {
    const { length } = layout.leaders;
    const wanted = this.#fields.partition(message);
    if (wanted === undefined) return key === null ? keyless : (murmur2(key) & 0x7fffffff) % length;
    if (wanted < length) return wanted;
    const text = `topic "${layout.topic}" has no partition ${wanted}: it has ${length}, counted from 0`;
    throw new ConnectorError('message_invalid', text);
  }

  #checkSize(bytes: number): void {
    const limit = this.#settings.maxRequestBytes - requestOverheadBytes;
    if (bytes <= limit) return;
    const text = `the message has ${bytes} bytes, more than a request may have (maxRequestBytes: ${limit} and ${requestOverheadBytes} around them)`;
    throw new ConnectorError('message_too_large', text);
  }

  async #seal(topic: string, draft: Draft, range: MessageRange): Promise<ProduceBatch> {
    const { partition, writer, indexes } = draft;
    const type = compressionTypes[this.#settings.compression];
    const bytes = writer.finish(type, (records) => compressed(type, records));
    return {
      topic,
      partition,
      bytes: Buffer.isBuffer(bytes) ? bytes : await bytes,
      indexes,
      delivery: range.delivery,
      again: (places) => this.#seal(topic, this.#redraft(draft, places, range), range),
    };
  }

  /** A draft of some records of another one. */
  #redraft({ partition, indexes }: Draft, places: readonly number[], { messages }: MessageRange): Draft {
    const draft = newDraft(partition);
    const now = Date.now();
    const { key, value, headers, timestamp } = this.#fields;
    for (const place of places) {
      const index = indexes[place];
      const message = index === undefined ? undefined : messages[index];
      if (index === undefined || message === undefined) continue;
      draft.writer.append(key(message), value(message), headers(message), timestamp(message) ?? now);
      draft.indexes.push(index);
    }
    return draft;
  }
}

function newDraft(partition: number, expectedBytes = firstBytes): Draft {
  return { partition, writer: new RecordWriter(Math.ceil(expectedBytes * 1.1)), indexes: [] };
}

function compressed(type: number, records: Buffer): Promise<Buffer> {
  const codec = codecs[type];
  if (codec === undefined) throw new ConnectorError('internal', `no codec is registered for compression type ${type}`);
  return codec().compress({ buffer: records });
}
