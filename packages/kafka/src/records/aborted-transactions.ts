import type { AbortedTransaction } from '../reading/fetch-answer.js';
import { type BatchHeader, isAbortMarker, type RecordBatch } from './record-batch.js';

/**
 * Tells which of the record batches of one answer belong to aborted transactions: those of a producer from the first offset of
 * its transaction up to the marker that ends it.
 */
export class AbortedTransactions {
  readonly #upcoming: AbortedTransaction[];
  readonly #open = new Set<bigint>();

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#upcoming = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  }

  /** Whether the messages of the batch were never committed. To be asked for every batch, in order. */
  hides(batch: RecordBatch, { transactional, control, producerId }: BatchHeader): boolean {
    while ((this.#upcoming[0]?.firstOffset ?? Number.POSITIVE_INFINITY) <= batch.lastOffset) {
      const begun = this.#upcoming.shift();
      if (begun !== undefined) this.#open.add(begun.producerId);
    }
    if (!transactional || !this.#open.has(producerId)) return false;
    if (control && isAbortMarker(batch)) this.#open.delete(producerId);
    return true;
  }
}
