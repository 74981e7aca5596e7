import type { Message, SourceBatch } from '@sluice/core/driver';
import type { TransactionMark } from '../rows/change-message.js';
import { type CdcPosition, toPosition } from './cdc-position.js';

/** When a batch is full. */
export interface BatchLimits {
  readonly maxMessages: number;
  readonly maxBytes: number;
}

const maxBatchBytes = 512 * 1024;

/**
 * The limits of a read, lowered to what lives briefly: with 1 MiB, so many rows are alive at once that V8 lets its young generation grow to
 * its largest size, and one transaction of 1,000,000 rows takes 204 to 226 MiB. With half of it, it takes 154 to 174, and no more time.
 */
export function batchLimits({ maxMessages, maxBytes }: BatchLimits): BatchLimits {
  return { maxMessages, maxBytes: Math.min(maxBytes, maxBatchBytes) };
}

/** Messages of one transaction in a batch. */
interface Stretch {
  /** Index of its first message in the batch. */
  readonly from: number;
  readonly commitLsn: bigint;
  /** Rows of the transaction before the first message. */
  readonly rowsBefore: number;
  /** Just after the transaction; undefined when it goes on behind the batch. */
  endLsn: bigint | undefined;
}

/** The last message of a transaction has this header beside those of the others. */
const lastHeader = ['transactionEnd', true] as const;

/**
 * Gathers the rows of committed transactions into batches that end at the end of a transaction wherever the limits allow it.
 * Pure: what it is told comes from the stream, in order.
 */
export class TransactionBatches {
  readonly #limits: BatchLimits;
  #messages: Message[] = [];
  #sizes: number[] = [];
  #bytes = 0;
  #stretches: Stretch[] = [];
  /** Everything before it was delivered in whole transactions, those of this batch included. */
  #boundary: bigint;
  /** Rows to leave out of the transaction at {@link #skipAt}: they were delivered before a restart. */
  readonly #skipAt: bigint;
  readonly #skipRows: number;
  #mark: TransactionMark | undefined;
  #commitLsn = 0n;
  #rows = 0;
  /** Whether rows were left out behind the last released one, so that positions go on with a new stretch. */
  #isGap = false;
  /** The newest row, held back until it is known whether it is the last of its transaction. */
  #held: Message | undefined;
  #heldBytes = 0;
  /** Rows left out behind it. */
  #leftOut = 0;
  #moved = false;

  constructor(from: CdcPosition, limits: BatchLimits) {
    this.#limits = limits;
    this.#boundary = from.lsn;
    this.#skipAt = from.lsn;
    this.#skipRows = from.rows;
  }

  /** Whether the stream is between `begin` and `commit`. */
  get inTransaction(): boolean {
    return this.#mark !== undefined;
  }

  /** Whether the next row was delivered before a restart: it is then counted and left out, and needs no message. */
  skip(): boolean {
    const isDelivered =
      this.#commitLsn < this.#skipAt || (this.#commitLsn === this.#skipAt && this.#rows < this.#skipRows);
    if (isDelivered) this.#rows++;
    return isDelivered;
  }

  begin(commitLsn: bigint, mark: TransactionMark): void {
    this.#commitLsn = commitLsn;
    this.#mark = mark;
    this.#rows = 0;
    this.#isGap = false;
  }

  /** The next row of the transaction that has begun; `bytes` is what the message holds. */
  add(message: Message, bytes: number): void {
    this.#release(this.#held);
    this.#held = message;
    this.#heldBytes = bytes;
    this.#leftOut = 0;
  }

  /** Counts the next row of the transaction, and leaves it out. */
  leaveOut(): void {
    if (this.#held === undefined) {
      this.#rows++;
      this.#isGap = true;
    } else this.#leftOut++;
  }

  commit(endLsn: bigint): void {
    const last = this.#held;
    this.#release(last && { ...last, headers: [...last.headers, lastHeader] });
    const stretch = this.#stretches.at(-1);
    if (stretch !== undefined && stretch.commitLsn === this.#commitLsn) stretch.endLsn = endLsn;
    this.#mark = undefined;
    this.advance(endLsn);
  }

  /** All that was committed before this place has been told: between transactions a position may lie there. */
  advance(lsn: bigint): void {
    if (this.inTransaction || lsn <= this.#boundary) return;
    this.#boundary = lsn;
    this.#moved = true;
  }

  /** A batch when a limit is reached: of whole transactions if there is one, else of a part of the one that is under way. */
  full(): SourceBatch | undefined {
    const count = this.#messages.length + (this.#held === undefined ? 0 : 1);
    const bytes = this.#bytes + (this.#held === undefined ? 0 : this.#heldBytes);
    const isFull = count > this.#limits.maxMessages || (bytes > this.#limits.maxBytes && count > 1);
    if (isFull) return this.#cut(this.#wholeTransactions() || this.#messages.length);
    const isComplete = this.#held === undefined && !this.inTransaction;
    if (!isComplete || (count < this.#limits.maxMessages && this.#bytes < this.#limits.maxBytes)) return undefined;
    return count === 0 ? undefined : this.#cut(count);
  }

  /** What there is of whole transactions; undefined when there is nothing. */
  complete(): SourceBatch | undefined {
    const count = this.#wholeTransactions();
    return count === 0 ? undefined : this.#cut(count);
  }

  /** A batch without messages when only the position moved; undefined when it did not, or when messages come before it. */
  moved(): SourceBatch | undefined {
    if (!this.#moved || this.inTransaction || this.#messages.length > 0) return undefined;
    this.#moved = false;
    return { messages: [], position: toPosition({ lsn: this.#boundary, rows: 0 }), bytes: 0 };
  }

  /** Adds the row that was held back, if there is one, as this message. */
  #release(message: Message | undefined): void {
    if (message === undefined) return;
    const last = this.#stretches.at(-1);
    if (last === undefined || last.commitLsn !== this.#commitLsn || this.#isGap) {
      const from = this.#messages.length;
      this.#stretches.push({ from, commitLsn: this.#commitLsn, rowsBefore: this.#rows, endLsn: undefined });
    }
    this.#messages.push(message);
    this.#sizes.push(this.#heldBytes);
    this.#bytes += this.#heldBytes;
    this.#rows += 1 + this.#leftOut;
    this.#isGap = this.#leftOut > 0;
    this.#held = undefined;
  }

  #wholeTransactions(): number {
    const last = this.#stretches.at(-1);
    if (last === undefined) return 0;
    if (last.endLsn !== undefined) return this.#messages.length;
    return this.#stretches.find(({ commitLsn }) => commitLsn === last.commitLsn)?.from ?? 0;
  }

  #cut(count: number): SourceBatch {
    const bytes = this.#sizes.slice(0, count).reduce((sum, size) => sum + size, 0);
    const messages = this.#messages.slice(0, count);
    const stretches = this.#stretches.filter(({ from }) => from < count);
    const isAll = count === this.#messages.length;
    this.#messages = this.#messages.slice(count);
    this.#sizes = this.#sizes.slice(count);
    this.#bytes -= bytes;
    this.#stretches = isAll
      ? []
      : this.#stretches.slice(stretches.length).map((each) => ({ ...each, from: each.from - count }));
    const atBoundary = isAll && this.#held === undefined && !this.inTransaction;
    if (atBoundary) this.#moved = false;
    const position = atBoundary ? { lsn: this.#boundary, rows: 0 } : positionAfter(stretches, count - 1);
    return {
      messages,
      position: toPosition(position),
      bytes,
      positionAt: (index) => toPosition(positionAfter(stretches, index, count)),
    };
  }
}

function positionAfter(stretches: readonly Stretch[], index: number, count = index + 1): CdcPosition {
  const place = stretches.findLastIndex(({ from }) => from <= index);
  const stretch = stretches[place];
  if (stretch === undefined) throw new RangeError(`no message ${index}`);
  const isLast = index + 1 === (stretches[place + 1]?.from ?? count);
  if (isLast && stretch.endLsn !== undefined) return { lsn: stretch.endLsn, rows: 0 };
  return { lsn: stretch.commitLsn, rows: stretch.rowsBefore + index - stretch.from + 1 };
}
