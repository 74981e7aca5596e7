import { isDeepStrictEqual } from 'node:util';
import type { Position } from '../source-driver.js';
import type { Finished } from './ack-tracker.js';

/** What is left of the earlier leases of a partition. */
interface Left {
  discarded: number;
  untold: number;
  /** What a failed flush of an atomic sink may have settled all the same. */
  inDoubt: Finished | undefined;
}

/**
 * How many messages were received, are not settled and come again. Counted by partition: what was discarded of one comes before
 * anything new of it.
 */
export class Unread {
  readonly #left = new Map<string, Left>();

  get total(): number {
    let total = 0;
    for (const { discarded, untold } of this.#left.values()) total += discarded + untold;
    return total;
  }

  #of(partition: string): Left {
    const left = this.#left.get(partition) ?? { discarded: 0, untold: 0, inDoubt: undefined };
    this.#left.set(partition, left);
    return left;
  }

  /** Messages count as never read. */
  discarded(partition: string, count: number): void {
    if (count > 0) this.#of(partition).discarded += count;
  }

  /** A lease ended before its source was told that messages are durable; what it knows it shows when it is read again. */
  untold(partition: string, count: number): void {
    if (count > 0) this.#of(partition).untold += count;
  }

  /** A flush failed, and nobody knows whether it took effect. */
  doubt(partition: string, flushed: Finished): void {
    this.#of(partition).inDoubt = flushed;
  }

  /** The partition is read again after a position, which tells whether the flush in doubt took effect. */
  resumed(partition: string, position: Position | undefined): void {
    const left = this.#left.get(partition);
    if (left === undefined) return;
    const { inDoubt } = left;
    left.untold = 0;
    left.inDoubt = undefined;
    if (inDoubt !== undefined && isDeepStrictEqual(inDoubt.position, position)) this.received(partition, inDoubt.count);
  }

  received(partition: string, count: number): void {
    const left = this.#left.get(partition);
    if (left !== undefined) left.discarded = Math.max(0, left.discarded - count);
  }

  /** Nothing of it comes again, or not to this run. */
  forget(partition: string): void {
    this.#left.delete(partition);
  }

  /** The other partitions of a source are held by somebody else now, or are gone. */
  forgetOthers(source: string, kept: readonly string[]): void {
    const keys = new Set(kept.map((partition) => `${source}:${partition}`));
    for (const key of this.#left.keys()) if (key.startsWith(`${source}:`) && !keys.has(key)) this.forget(key);
  }
}
