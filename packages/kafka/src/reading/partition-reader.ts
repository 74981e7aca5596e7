import { ConnectorError, type Position, type ReadOptions, type SourceBatch } from '@sluice/core/driver';
import { mayPass } from '../connection/patience.js';
import type { TopicPartition } from '../connection/topic-partition.js';
import { splitBatches } from '../records/record-batch.js';
import { unpack } from '../records/unpack.js';
import type { FetchedPartition } from './fetch-answer.js';

/** How one partition is read. */
export interface PartitionReading {
  readonly partition: TopicPartition;
  readonly from: number;
  /** The offset to end at; undefined for no end. */
  readonly end: number | undefined;
  readonly committedOnly: boolean;
  /** How long the partition may be out of reach before the reading fails. */
  readonly patienceMs: number;
  readonly options: ReadOptions;
}

/** One answer that waits to be unpacked. */
interface Arrived {
  readonly from: number;
  readonly fetched: FetchedPartition;
}

/**
 * Reads one partition. It asks for more only when nothing waits any more, so no more than one answer of `maxBytes` is held while
 * nobody pulls.
 */
export class PartitionReader {
  readonly partition: TopicPartition;
  readonly maxBytes: number;
  readonly #reading: PartitionReading;
  /** Offset of the next message to ask for. */
  #next: number;
  #arrived: Arrived | undefined;
  /** Nothing is left before the end. */
  #atEnd = false;
  #failure: { readonly error: unknown } | undefined;
  #outOfReachSince: number | undefined;
  #wake: (() => void) | undefined;
  #onWant: () => void = () => undefined;

  constructor(reading: PartitionReading) {
    this.#reading = reading;
    this.partition = reading.partition;
    this.maxBytes = reading.options.maxBytes;
    this.#next = reading.from;
    this.#atEnd = this.#reachedEnd();
  }

  /** Whether an answer would be taken. */
  get wanting(): boolean {
    return this.#arrived === undefined && !this.#atEnd && this.#failure === undefined && !this.#aborted;
  }

  get nextOffset(): number {
    return this.#next;
  }

  get #aborted(): boolean {
    return this.#reading.options.signal.aborted;
  }

  /**
   * Yields until the end, if there is one, or until the signal is aborted.
   *
   * @param onWant Called when more is wanted
   */
  async *read(onWant: () => void): AsyncGenerator<SourceBatch> {
    const { options, end, committedOnly } = this.#reading;
    const wake = (): void => this.#wake?.();
    options.signal.addEventListener('abort', wake);
    this.#onWant = onWant;
    try {
      for (;;) {
        const arrived = await this.#take();
        if (arrived === undefined) return;
        const { from, fetched } = arrived;
        const { maxMessages, maxBytes } = options;
        let position = from;
        for await (const batch of unpack(fetched, { from, end, maxMessages, maxBytes, committedOnly })) {
          if (this.#aborted) return;
          if (this.#failure !== undefined) throw this.#failure.error;
          position = Number(batch.position);
          yield batch;
        }
        // What lies behind the last record was compacted away.
        if (this.#atEnd && end !== undefined && position < end) yield movedTo(end);
      }
    } finally {
      options.signal.removeEventListener('abort', wake);
    }
  }

  /**
   * Takes what a broker answered to a request from `from` on.
   *
   * @param nothing Whether the whole answer held no record of any partition, so that none was left out for its size
   */
  deliver(from: number, fetched: FetchedPartition, nothing: boolean): void {
    if (!this.wanting || from !== this.#next) return;
    this.#outOfReachSince = undefined;
    const last = splitBatches(fetched.records).at(-1);
    if (last !== undefined) this.#next = Math.max(this.#next, last.lastOffset + 1);
    else if (nothing && this.#endsInGap(fetched)) this.#next = this.#reading.end ?? this.#next;
    else return;
    this.#atEnd = this.#reachedEnd();
    this.#arrived = { from, fetched };
    this.#wake?.();
  }

  /** The broker could not be asked, or refused. What may pass is waited for, up to the limit. */
  refused(error: unknown): void {
    this.#outOfReachSince ??= performance.now();
    const patience = performance.now() - this.#outOfReachSince < this.#reading.patienceMs;
    if (!mayPass(error) || !patience) this.fail(error);
  }

  /** Ends the reading with an error, at once. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }

  /** Whether the log has no record left before the end although it reaches that far: compaction has taken the rest. */
  #endsInGap({ highWatermark, lastStableOffset }: FetchedPartition): boolean {
    const { end, committedOnly } = this.#reading;
    return end !== undefined && (committedOnly ? lastStableOffset : highWatermark) >= end;
  }

  #reachedEnd(): boolean {
    return this.#reading.end !== undefined && this.#next >= this.#reading.end;
  }

  async #take(): Promise<Arrived | undefined> {
    while (this.#arrived === undefined) {
      if (this.#aborted) return undefined;
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#atEnd) return undefined;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      this.#onWant();
      await promise;
      this.#wake = undefined;
    }
    if (this.#aborted) return undefined;
    if (this.#failure !== undefined) throw this.#failure.error;
    const arrived = this.#arrived;
    this.#arrived = undefined;
    // The next answer is under way while this one is worked on.
    this.#onWant();
    return arrived;
  }
}

function movedTo(position: Position): SourceBatch {
  return { messages: [], position, bytes: 0, lag: 0 };
}

/** The offset that a position holds. */
export function offsetOf(position: Position): number {
  if (typeof position === 'number' && Number.isSafeInteger(position) && position >= 0) return position;
  throw new ConnectorError('position_lost', `the stored position ${JSON.stringify(position)} is not an offset`);
}
