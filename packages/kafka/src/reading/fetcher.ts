import { setImmediate as nextTurn } from 'node:timers/promises';
import type { KafkaCluster } from '../connection/cluster.js';
import { protocolError } from '../connection/protocol.js';
import { groupByTopic, partitionName } from '../connection/topic-partition.js';
import type { TopicTable } from '../connection/topic-table.js';
import type { KafkaSourceSettings } from '../source-config.js';
import { decodeFetchAnswer, type FetchAnswer, type FetchedPartition } from './fetch-answer.js';
import type { PartitionReader } from './partition-reader.js';

/** What of the config says how to fetch. */
export type FetchSettings = Pick<KafkaSourceSettings, 'isolation' | 'maxWaitMs' | 'minBytes'>;

/** How long a broker may wait while some of its partitions are not asked for, at first: they may want more at any time. */
const shortWaitMs = 10;
/** As before, once nobody has wanted more for a while. */
const longWaitMs = 500;
const maxAnswerBytes = 50 * 1024 * 1024;
const pauseMs = 100;

/** One broker that is asked again and again while a partition of it wants more. */
interface Lane {
  waitMs: number;
}

/**
 * Fetches for all readers of a source: one request at a time and broker, for those of its partitions that want more. A broker
 * answers the requests of a connection one after the other, so a second one would wait behind the first.
 */
export class Fetcher {
  readonly #cluster: KafkaCluster;
  readonly #topics: TopicTable;
  readonly #settings: FetchSettings;
  readonly #signal: AbortSignal;
  /** In the order in which they are asked for: a broker may leave out the last ones for the size of its answer. */
  readonly #readers = new Set<PartitionReader>();
  readonly #lanes = new Map<number, Lane>();
  /** Readers that were refused, until their leaders are looked up again. */
  readonly #resting = new Set<PartitionReader>();
  #retry: NodeJS.Timeout | undefined;

  constructor(cluster: KafkaCluster, topics: TopicTable, settings: FetchSettings, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#topics = topics;
    this.#settings = settings;
    this.#signal = signal;
    signal.addEventListener('abort', () => clearTimeout(this.#retry));
  }

  add(reader: PartitionReader): void {
    this.#readers.add(reader);
  }

  remove(reader: PartitionReader): void {
    this.#readers.delete(reader);
    this.#resting.delete(reader);
  }

  /** Asks the brokers of all readers that want more and are not being asked already. */
  readonly wake = (): void => {
    if (this.#signal.aborted) return;
    for (const reader of this.#readers) {
      if (!this.#wants(reader)) continue;
      const leader = this.#topics.leaderOf(reader.partition);
      if (leader === undefined) this.#refused([reader], protocolError(5));
      else if (!this.#lanes.has(leader)) void this.#work(leader);
    }
  };

  async #work(leader: number): Promise<void> {
    const lane: Lane = { waitMs: shortWaitMs };
    this.#lanes.set(leader, lane);
    for (;;) {
      // Whoever has just got an answer has its turn to take it, and is asked for again with the others.
      await nextTurn();
      const own = [...this.#readers].filter(({ partition }) => this.#topics.leaderOf(partition) === leader);
      const asked = own.filter((reader) => this.#wants(reader));
      if (asked.length === 0 || this.#signal.aborted) break;
      try {
        const waitMs = asked.length === own.length ? this.#settings.maxWaitMs : lane.waitMs;
        this.#deliver(asked, await this.#fetch(leader, asked, Math.min(waitMs, this.#settings.maxWaitMs)));
      } catch (error) {
        this.#lanes.delete(leader);
        this.#refused(asked, error);
        return;
      }
      // While nobody takes what is held of the others, there is no hurry.
      const wantedMeanwhile = own.some((reader) => !asked.includes(reader) && reader.wanting);
      lane.waitMs = wantedMeanwhile ? shortWaitMs : Math.min(lane.waitMs * 2, longWaitMs);
    }
    this.#lanes.delete(leader);
    // Some may have another leader now, or none.
    this.wake();
  }

  #wants(reader: PartitionReader): boolean {
    return reader.wanting && !this.#resting.has(reader);
  }

  async #fetch(leader: number, asked: readonly PartitionReader[], waitMs: number): Promise<FetchAnswer> {
    const { isolation, minBytes } = this.#settings;
    const connection = await this.#cluster.connection(leader, 'fetch');
    const wanted = asked.map(({ partition, nextOffset: fetchOffset, maxBytes }) => ({
      ...partition,
      fetchOffset,
      maxBytes,
    }));
    const answer = await connection.request(
      'Fetch',
      {
        isolationLevel: isolation === 'read_committed' ? 1 : 0,
        maxWaitTime: waitMs,
        minBytes,
        maxBytes: Math.min(maxAnswerBytes, Math.max(...wanted.map(({ maxBytes }) => maxBytes)) * wanted.length),
        topics: groupByTopic(wanted),
        rackId: '',
      },
      { atLeast: 11, decode: decodeFetchAnswer },
    );
    if (answer.errorCode !== 0) throw protocolError(answer.errorCode);
    return answer;
  }

  #deliver(asked: readonly PartitionReader[], { partitions }: FetchAnswer): void {
    const nothing = partitions.every(({ records }) => records.length === 0);
    const byName = new Map(asked.map((reader) => [partitionName(reader.partition), reader]));
    const moved: [PartitionReader, FetchedPartition][] = [];
    for (const fetched of partitions) {
      const reader = byName.get(partitionName(fetched));
      if (reader === undefined || !this.#readers.has(reader)) continue;
      if (fetched.errorCode !== 0) {
        moved.push([reader, fetched]);
        continue;
      }
      reader.deliver(reader.nextOffset, fetched, nothing);
      if (reader.wanting) continue;
      this.#readers.delete(reader);
      this.#readers.add(reader);
    }
    for (const [reader, { topic, partition, errorCode }] of moved) {
      this.#refused([reader], Object.assign(protocolError(errorCode), { topic, partition }));
    }
  }

  /** Looks the leaders up again and tries once more a little later; each reader has its own patience. */
  #refused(readers: readonly PartitionReader[], error: unknown): void {
    if (this.#signal.aborted) return;
    for (const reader of readers) {
      this.#resting.add(reader);
      reader.refused(error);
    }
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#resting.clear();
      this.#topics.refresh().then(this.wake, (reason: unknown) => this.#refused([...this.#readers], reason));
    }, pauseMs);
  }
}
