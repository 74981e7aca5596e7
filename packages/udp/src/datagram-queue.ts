import type { BatchFailure, Message, SourceBatch } from '@sluice/core/driver';

/** How much a batch may hold. */
export interface BatchLimits {
  readonly maxMessages: number;
  readonly maxBytes: number;
}

interface OpenBatch {
  readonly messages: Message[];
  readonly failures: BatchFailure[];
  bytes: number;
}

/**
 * Gathers datagrams into batches until somebody takes them, within a bound. What does not fit is refused, so the newest
 * datagrams are the ones that are lost, as in the kernel's own buffer, and what is held stays without gaps.
 */
export class DatagramQueue {
  readonly #bound: BatchLimits;
  #limits: BatchLimits;
  readonly #batches: OpenBatch[] = [];
  /** The last one, as long as it may grow. */
  #filling: OpenBatch | undefined;
  #messages = 0;
  #bytes = 0;

  constructor(bound: BatchLimits) {
    this.#bound = bound;
    this.#limits = this.#withinBound(bound);
  }

  /** How many messages are held. */
  get length(): number {
    return this.#messages;
  }

  /** Whether a batch is held that will not grow any more. */
  get hasFullBatch(): boolean {
    return this.#batches.length > (this.#filling === undefined ? 0 : 1);
  }

  /** Sets the limits of batches that are begun from now on. */
  limitBatches(limits: BatchLimits): void {
    this.#limits = this.#withinBound(limits);
  }

  /** Takes one datagram in; false when it does not fit. An empty queue takes any. */
  push(message: Message, bytes: number, error?: unknown): boolean {
    const full = this.#messages >= this.#bound.maxMessages || this.#bytes + bytes > this.#bound.maxBytes;
    if (full && this.#messages > 0) return false;
    const batch = this.#batchFor(bytes);
    if (error !== undefined) batch.failures.push({ index: batch.messages.length, error });
    batch.messages.push(message);
    batch.bytes += bytes;
    if (batch.messages.length >= this.#limits.maxMessages) this.#filling = undefined;
    this.#messages++;
    this.#bytes += bytes;
    return true;
  }

  /** Takes the oldest batch out; undefined when nothing is held. */
  shift(): SourceBatch | undefined {
    const batch = this.#batches.shift();
    if (batch === undefined) return undefined;
    if (batch === this.#filling) this.#filling = undefined;
    this.#messages -= batch.messages.length;
    this.#bytes -= batch.bytes;
    const { messages, bytes, failures } = batch;
    return failures.length === 0 ? { messages, position: null, bytes } : { messages, position: null, bytes, failures };
  }

  #batchFor(bytes: number): OpenBatch {
    if (this.#filling !== undefined && this.#filling.bytes + bytes <= this.#limits.maxBytes) return this.#filling;
    const batch: OpenBatch = { messages: [], failures: [], bytes: 0 };
    this.#batches.push(batch);
    this.#filling = batch;
    return batch;
  }

  /** Half of the queue makes a full batch at the latest, so that a waiting reader takes it before anything is refused. */
  #withinBound({ maxMessages, maxBytes }: BatchLimits): BatchLimits {
    return {
      maxMessages: Math.min(maxMessages, Math.ceil(this.#bound.maxMessages / 2)),
      maxBytes: Math.min(maxBytes, Math.ceil(this.#bound.maxBytes / 2)),
    };
  }
}
