import { setTimeout as pause } from 'node:timers/promises';
import type { DriverContext, Position, ReadOptions, SourceBatch, SourceDriver } from '@sluice/core/driver';
import { openCluster, untilAborted } from './client.js';
import type { KafkaCluster } from './connection/cluster.js';
import { mayPass, patiently } from './connection/patience.js';
import { parsePartitionName, partitionName, type TopicPartition } from './connection/topic-partition.js';
import { TopicTable } from './connection/topic-table.js';
import { GroupMember } from './group/group-member.js';
import type { KafkaOptions } from './options.js';
import { Fetcher } from './reading/fetcher.js';
import { endOffsets, type OffsetLookup, startOffset } from './reading/offsets.js';
import { offsetOf, PartitionReader } from './reading/partition-reader.js';
import type { KafkaSourceSettings, KafkaStart } from './source-config.js';

/** Connects, and looks up what there is to read. A group is joined when its partitions are asked for. */
export async function openKafkaSource(
  config: KafkaSourceSettings,
  options: KafkaOptions,
  context: DriverContext,
): Promise<SourceDriver> {
  const { signal, atomic = false } = context;
  const cluster = await openCluster(config, options, signal);
  try {
    return await untilAborted(cluster, signal, async () => {
      const topics = new TopicTable(cluster, config);
      await topics.refresh();
      const lookup = { cluster, topics, isolation: config.isolation };
      const findEnds = (): Promise<Map<string, number>> => endOffsets(lookup, topics.partitions);
      const ends = config.bounded ? await patiently(config.requestTimeoutMs, signal, findEnds) : undefined;
      return new KafkaSource({ config, lookup, ends, beginsCommitted: !atomic });
    });
  } catch (error) {
    cluster.close();
    throw error;
  }
}

/** What a source reads. */
interface Reading {
  readonly config: KafkaSourceSettings;
  readonly lookup: OffsetLookup;
  /** Where it ends when it is bounded, by name of the partition. */
  readonly ends: ReadonlyMap<string, number> | undefined;
  /** Whether it begins at what the group has committed. Not when a sink keeps the positions: commits are for lag only then. */
  readonly beginsCommitted: boolean;
}

/** Reads topics: as a member of a group, or all of their partitions. */
class KafkaSource implements SourceDriver {
  readonly commit?: (partition: string, position: Position) => Promise<void>;
  readonly identity?: string;
  readonly #config: KafkaSourceSettings;
  readonly #cluster: KafkaCluster;
  readonly #topics: TopicTable;
  readonly #lookup: OffsetLookup;
  readonly #fetcher: Fetcher;
  readonly #group: GroupMember | undefined;
  readonly #beginsCommitted: boolean;
  readonly #closing = new AbortController();
  /** Where a bounded source ends, by name of the partition. */
  readonly #ends: ReadonlyMap<string, number> | undefined;
  /** Partitions that were there at open: `latest` means the end of these, and the beginning of those that came later. */
  readonly #early: ReadonlySet<string>;
  /** Partitions that a bounded source has read to the end. */
  readonly #finished = new Set<string>();
  #finishedOne = Promise.withResolvers<void>();

  constructor({ config, lookup, ends, beginsCommitted }: Reading) {
    const { cluster, topics } = lookup;
    const { groupId } = config;
    this.#config = config;
    this.#cluster = cluster;
    this.#topics = topics;
    this.#lookup = lookup;
    this.#ends = ends;
    this.#beginsCommitted = beginsCommitted;
    this.#early = new Set(topics.partitions.map(partitionName));
    this.#fetcher = new Fetcher(cluster, topics, config, this.#closing.signal);
    if (cluster.id !== undefined) this.identity = cluster.id;
    if (groupId === undefined) return;
    const group = new GroupMember(cluster, topics, { ...config, groupId });
    this.#group = group;
    this.commit = (partition, position) => group.commit(partition, offsetOf(position));
  }

  async *partitions(signal: AbortSignal): AsyncGenerator<readonly string[]> {
    const stopped = AbortSignal.any([signal, this.#closing.signal]);
    if (this.#group === undefined) yield* this.#allPartitions(stopped);
    else if (this.#ends === undefined) yield* this.#groupPartitions(this.#group, stopped);
    else yield* this.#groupUntilFinished(this.#group, stopped);
  }

  async *read(partition: string, position: Position | undefined, options: ReadOptions): AsyncGenerator<SourceBatch> {
    const holding = this.#group?.holding(partition);
    const stopped = AbortSignal.any([options.signal, this.#closing.signal]);
    const reading = { ...options, signal: stopped };
    const place = parsePartitionName(partition);
    const from = await this.#startOf(place, position, reading);
    if (from === undefined) return;
    const reader = new PartitionReader({
      partition: place,
      from,
      end: this.#ends?.get(partition) ?? (this.#ends === undefined ? undefined : 0),
      committedOnly: this.#config.isolation === 'read_committed',
      patienceMs: this.#config.requestTimeoutMs,
      options: reading,
    });
    const onLost = (): void => reader.fail(holding?.lost.signal.reason);
    if (holding?.lost.signal.aborted) onLost();
    holding?.lost.signal.addEventListener('abort', onLost);
    this.#fetcher.add(reader);
    try {
      // Where it begins depends on when it began: stored at once, a restart before the first message begins there, too.
      if (position === undefined && this.#config.start !== 'earliest') yield { messages: [], position: from, bytes: 0 };
      yield* reader.read(this.#fetcher.wake);
      if (!stopped.aborted) this.#finish(partition);
    } finally {
      this.#fetcher.remove(reader);
      holding?.lost.signal.removeEventListener('abort', onLost);
    }
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await this.#group?.close();
    this.#cluster.close();
  }

  async *#allPartitions(signal: AbortSignal): AsyncGenerator<readonly string[]> {
    let told: readonly string[] = [];
    for (;;) {
      const found = this.#topics.partitions.map(partitionName);
      if (found.length !== told.length || this.#ends !== undefined) {
        told = found;
        yield found;
      }
      // What is bounded ends with what it found at open; chosen partitions do not grow in number.
      if (this.#ends !== undefined || this.#config.partitions !== undefined) return;
      if (!(await this.#refresh(signal))) return;
    }
  }

  async *#groupPartitions(group: GroupMember, signal: AbortSignal): AsyncGenerator<readonly string[]> {
    const over = new AbortController();
    const watching = this.#watchTopics(group, AbortSignal.any([signal, over.signal]));
    watching.catch((error: unknown) => group.fail(error));
    try {
      yield* group.sets(signal);
    } finally {
      over.abort();
    }
  }

  /** A bounded member is finished when it has read to the end all that it holds. */
  async *#groupUntilFinished(group: GroupMember, signal: AbortSignal): AsyncGenerator<readonly string[]> {
    const sets = group.sets(signal);
    let next = sets.next();
    let held: readonly string[] | undefined;
    for (;;) {
      const told = await Promise.race([next, this.#finishedOne.promise]);
      if (told?.done === true) return;
      if (told?.done === false) {
        held = told.value;
        yield told.value;
        next = sets.next();
      }
      if (held?.every((partition) => this.#finished.has(partition))) {
        next.catch(() => undefined);
        return;
      }
    }
  }

  async #watchTopics(group: GroupMember, signal: AbortSignal): Promise<void> {
    for (let known = this.#topics.topics.toSorted().join(); await this.#refresh(signal); ) {
      const now = this.#topics.topics.toSorted().join();
      if (now !== known || group.outdated) group.topicsChanged();
      known = now;
    }
  }

  /** Waits for the time to look for topics, and does; false when it is over. A cluster out of reach is asked again later. */
  async #refresh(signal: AbortSignal): Promise<boolean> {
    try {
      await pause(this.#config.refreshIntervalMs, undefined, { signal });
      await this.#topics.refresh();
    } catch (error) {
      if (signal.aborted) return false;
      if (!mayPass(error)) throw error;
    }
    return true;
  }

  /** Where to read from; undefined when the reading was stopped meanwhile. */
  async #startOf(
    place: TopicPartition,
    position: Position | undefined,
    { start, signal }: ReadOptions,
  ): Promise<number | undefined> {
    if (position !== undefined) return offsetOf(position);
    const name = partitionName(place);
    try {
      return await patiently(this.#config.requestTimeoutMs, signal, async () => {
        if (start !== undefined) return startOffset(this.#lookup, place, start);
        const committed = this.#beginsCommitted ? await this.#group?.committed(name) : undefined;
        return committed ?? startOffset(this.#lookup, place, this.#startIn(place));
      });
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }

  #startIn(place: TopicPartition): KafkaStart {
    const { start, partitions } = this.#config;
    const own = partitions?.find((each) => partitionName(each) === partitionName(place))?.offset;
    if (own !== undefined) return { offset: own };
    // Whatever is in a partition that appeared while this source ran came after it began.
    return start === 'latest' && !this.#early.has(partitionName(place)) ? 'earliest' : start;
  }

  #finish(partition: string): void {
    this.#finished.add(partition);
    this.#finishedOne.resolve();
    this.#finishedOne = Promise.withResolvers();
  }
}
