import type { Message } from '@sluice/core/driver';
import type { BrokerConnection } from '../connection/broker-connection.js';
import { brokerError } from '../connection/broker-error.js';
import type { KafkaCluster } from '../connection/cluster.js';
import { patiently } from '../connection/patience.js';
import type { TopicDirectory } from '../connection/topic-directory.js';
import { decodeFetchAnswer, type FetchedPartition } from '../reading/fetch-answer.js';
import { openRecords } from '../records/packed-records.js';
import { isAbortMarker, readHeader, splitBatches } from '../records/record-batch.js';
import { unpack } from '../records/unpack.js';

/** All is kept in one partition, so that there is one order of everything. */
export const checkpointPartition = 0;

const earliest = -2;
const noLeader = 5;
const fetchSize = { maxWaitTime: 100, minBytes: 1, maxBytes: 8 * 1024 * 1024 };
const unlimited = { maxMessages: Number.POSITIVE_INFINITY, maxBytes: Number.POSITIVE_INFINITY };

/** Reads the topic of checkpoints: the newest committed value of each key. Reading again goes on where it was. */
export class CheckpointLog {
  readonly topic: string;
  readonly #cluster: KafkaCluster;
  readonly #directory: TopicDirectory;
  readonly #values = new Map<string, string>();
  #offset: number | undefined;

  constructor(cluster: KafkaCluster, directory: TopicDirectory, topic: string) {
    this.#cluster = cluster;
    this.#directory = directory;
    this.topic = topic;
  }

  /**
   * Reads up to the end as of now. Transactions of others that are still open do not hold it up: it looks past them for the
   * markers of those that have ended.
   */
  async read(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    let end: number | undefined;
    for (;;) {
      this.#offset ??= await this.#patiently(signal, () => this.#begin());
      const from = this.#offset;
      const fetched = await this.#patiently(signal, () => this.#fetch(from, 'read_committed'));
      end ??= fetched.highWatermark;
      for await (const batch of unpack(fetched, { from, end: undefined, committedOnly: true, ...unlimited })) {
        for (const message of batch.messages) take(this.#values, message);
        this.#offset = Number(batch.position); // an offset, as unpack makes them
      }
      if (this.#offset >= end) return this.#values;
      if (this.#offset >= fetched.lastStableOffset) return await this.#readPast(this.#offset, end, signal);
    }
  }

  /** What follows the first open transaction: kept only for this once, because it is read again when that has ended. */
  async #readPast(from: number, end: number, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const values = new Map(this.#values);
    const open = new Map<bigint, Message[]>();
    for (let offset = from; offset < end; ) {
      const at = offset;
      const fetched = await this.#patiently(signal, () => this.#fetch(at, 'read_uncommitted'));
      for (const batch of splitBatches(fetched.records)) {
        if (batch.lastOffset < offset) continue;
        offset = batch.lastOffset + 1;
        const header = readHeader(batch);
        const { producerId, control, transactional } = header;
        const pending = open.get(producerId) ?? [];
        if (control) {
          if (!isAbortMarker(batch)) for (const message of pending) take(values, message);
          open.delete(producerId);
          continue;
        }
        const records = await openRecords(this.topic, batch, header);
        while (records.left > 0) {
          const message = records.read();
          if (transactional) pending.push(message);
          else take(values, message);
        }
        if (transactional) open.set(producerId, pending);
      }
    }
    return values;
  }

  /** The leader may have moved since. */
  #patiently<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
    return patiently(this.#cluster.requestTimeoutMs, signal, async () => {
      if (this.#directory.known(this.topic, Date.now()) === undefined) await this.#directory.find([this.topic], signal);
      try {
        return await ask();
      } catch (error) {
        await this.#directory.find([this.topic], signal);
        throw error;
      }
    });
  }

  async #fetch(fetchOffset: number, isolation: 'read_committed' | 'read_uncommitted'): Promise<FetchedPartition> {
    const connection = await this.#connection();
    const partitions = [{ partition: checkpointPartition, fetchOffset, maxBytes: fetchSize.maxBytes }];
    const isolationLevel = isolation === 'read_committed' ? 1 : 0;
    const fields = { isolationLevel, ...fetchSize, topics: [{ topic: this.topic, partitions }], rackId: '' };
    const answer = await connection.request('Fetch', fields, { atLeast: 11, decode: decodeFetchAnswer });
    const [fetched] = answer.partitions;
    const errorCode = fetched?.errorCode ?? answer.errorCode;
    if (fetched === undefined || errorCode !== 0) throw this.#error(errorCode);
    return fetched;
  }

  /** The offset of the first record that is kept. */
  async #begin(): Promise<number> {
    const connection = await this.#connection();
    const topics = [{ topic: this.topic, partitions: [{ partition: checkpointPartition, timestamp: earliest }] }];
    const answer = await connection.request('ListOffsets', { isolationLevel: 0, topics }, { atLeast: 2 });
    const found = answer.responses[0]?.partitions[0];
    if (found === undefined || found.errorCode !== 0) throw this.#error(found?.errorCode ?? noLeader);
    return Number(found.offset);
  }

  async #connection(): Promise<BrokerConnection> {
    const leader = this.#directory.leader(this.topic, checkpointPartition);
    if (leader === undefined) throw this.#error(noLeader);
    return await this.#cluster.connection(leader, 'checkpoints');
  }

  #error(code: number): Error {
    return brokerError(code, { topic: this.topic, partition: checkpointPartition });
  }
}

function take(values: Map<string, string>, { key, payload }: Message): void {
  if (!(key instanceof Uint8Array)) return;
  const name = Buffer.from(key).toString();
  if (payload instanceof Uint8Array) values.set(name, Buffer.from(payload).toString());
  else values.delete(name);
}
