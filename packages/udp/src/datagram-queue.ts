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
  /** The last one is still being filled. */
  readonly #batches: OpenBatch[] = [];
  #messages = 0;
  #bytes = 0;

  constructor(bound: BatchLimits) {
    this.#bound = bound;
    this.#limits = bound;
  }

  /** How many messages are held. */
  get length(): number {
    return this.#messages;
  }

  /** Whether a batch is held that will not grow any more. */
  get hasFullBatch(): boolean {
    const [first] = this.#batches;
    return first !== undefined && (this.#batches.length > 1 || first.messages.length >= this.#limits.maxMessages);
  }

  /** Sets the limits of batches that are begun from now on. */
  limitBatches(limits: BatchLimits): void {
    this.#limits = limits;
  }

  /** Takes one datagram in; false when it does not fit. An empty queue takes any. */
  push(message: Message, bytes: number, error?: unknown): boolean {
    const full = this.#messages >= this.#bound.maxMessages || this.#bytes + bytes > this.#bound.maxBytes;
    if (full && this.#messages > 0) return false;
    const batch = this.#batchFor(bytes);
    if (error !== undefined) batch.failures.push({ index: batch.messages.length, error });
    batch.messages.push(message);
    batch.bytes += bytes;
    this.#messages++;
    this.#bytes += bytes;
    return true;
  }

  /** Takes the oldest batch out; undefined when nothing is held. */
  shift(): SourceBatch | undefined {
    const batch = this.#batches.shift();
    if (batch === undefined) return undefined;
    this.#messages -= batch.messages.length;
    this.#bytes -= batch.bytes;
    const { messages, bytes, failures } = batch;
    return failures.length === 0 ? { messages, position: null, bytes } : { messages, position: null, bytes, failures };
  }

  #batchFor(bytes: number): OpenBatch {
    const last = this.#batches.at(-1);
    if (
      last !== undefined &&
      last.messages.length < this.#limits.maxMessages &&
      last.bytes + bytes <= this.#limits.maxBytes
    ) {
      return last;
    }
    const batch: OpenBatch = { messages: [], failures: [], bytes: 0 };
    this.#batches.push(batch);
    return batch;
  }
}
