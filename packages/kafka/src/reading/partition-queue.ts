import type { ProduceBatch } from '../records/batch-encoder.js';
import type { Delivery } from '../writing/delivery.js';
import { nextSequence, type ProducerIdentity } from '../writing/record-writer.js';

/** A batch that waits for its turn or its answer. */
export interface QueuedBatch extends ProduceBatch {
  /** How often it was sent in vain. */
  attempts: number;
  /** Until when it may be sent again, as `performance.now()`; undefined before the first time. */
  until: number | undefined;
  /** It was sent, and whether the broker has it is not known. */
  inDoubt: boolean;
}

/**
 * The batches for one partition, of which one at a time is under way: so order needs no further thought, and a batch that is
 * sent again has the number it had, by which the broker recognises it.
 */
export class PartitionQueue {
  readonly topic: string;
  readonly partition: number;
  /** Under way, or being taken apart. */
  sending: QueuedBatch | undefined;
  /** Ends the pause before the next attempt. */
  cancelPause: (() => void) | undefined;
  /** Why batches are refused for now: an earlier write has failed here, and its writer does not know yet. */
  barred: Error | undefined;
  /** Who the batches come from. Undefined: nothing was sent yet, or what was is in doubt for good. */
  identity: ProducerIdentity | undefined;
  #waiting: QueuedBatch[] = [];
  #sequence = 0;

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  get sequence(): number {
    return this.#sequence;
  }

  /** Whether a batch can be sent now. */
  get ready(): boolean {
    return this.#waiting.length > 0 && this.sending === undefined && this.cancelPause === undefined;
  }

  get next(): QueuedBatch | undefined {
    return this.#waiting[0];
  }

  push(batch: ProduceBatch): void {
    this.#waiting.push(queued(batch));
  }

  /** Takes the next batch for sending. */
  take(): QueuedBatch | undefined {
    this.sending = this.#waiting.shift();
    return this.sending;
  }

  /** Puts batches in front. */
  putBack(...batches: readonly QueuedBatch[]): void {
    this.sending = undefined;
    this.#waiting = [...batches, ...this.#waiting];
  }

  /** Puts what was made of a refused batch in front; it may be sent as long as the batch might. */
  replace({ until }: QueuedBatch, parts: readonly ProduceBatch[]): void {
    this.putBack(...parts.map((part) => ({ ...queued(part), until })));
  }

  stored(batch: QueuedBatch): void {
    this.#sequence = nextSequence(this.#sequence, batch.indexes.length);
    this.sending = undefined;
  }

  /** What is sent from now on comes from somebody else, as far as the broker can tell. */
  startOver(): void {
    this.identity = undefined;
    this.#sequence = 0;
  }

  /** Everything that waits from the first batch of a delivery on, or all: it does so no more. */
  drain(first?: Delivery): readonly QueuedBatch[] {
    const from = first === undefined || this.sending?.delivery === first ? 0 : this.#indexOf(first);
    const drained = this.#waiting.splice(from);
    if (this.#waiting.length > 0) return drained;
    this.cancelPause?.();
    this.cancelPause = undefined;
    return drained;
  }

  /** Everything that waits behind the last batch of a delivery: it does so no more. */
  drainBehind(delivery: Delivery): readonly QueuedBatch[] {
    return this.#waiting.splice(this.#waiting.findLastIndex((batch) => batch.delivery === delivery) + 1);
  }

  #indexOf(delivery: Delivery): number {
    const index = this.#waiting.findIndex((batch) => batch.delivery === delivery);
    return index < 0 ? this.#waiting.length : index;
  }
}

function queued(batch: ProduceBatch): QueuedBatch {
  return { ...batch, attempts: 0, until: undefined, inDoubt: false };
}
