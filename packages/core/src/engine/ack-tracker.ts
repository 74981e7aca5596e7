import type { Position } from '../source-driver.js';

/** Source messages that settle together: what the tracker needs to know of them. */
export interface Tracked {
  /** Parts that are not finished yet: writes in each branch, dead letters. 0: finished. */
  pending: number;
  count: number;
  bytes: number;
  /** The position just after the last of the messages. */
  readonly position: Position;
}

/** A finished prefix: how far it reaches, and how much it is. */
export interface Finished {
  readonly position: Position;
  readonly count: number;
  readonly bytes: number;
}

/**
 * Follows the messages of one lease in the order in which they were read. Parts finish in any order; only the longest
 * finished prefix may be settled. It dies with its lease.
 */
export class AckTracker<T extends Tracked> {
  /** Entries before {@link #head} are taken and let go, so that their messages need no memory. */
  #entries: (T | undefined)[] = [];
  #head = 0;
  /** The finished prefix that is not taken yet. */
  #prefix: Finished | undefined;

  add(entry: T): void {
    this.#entries.push(entry);
  }

  /** Lets the entries of the finished prefix go: only its sums are kept. Says how many messages joined it. */
  advance(): number {
    let count = 0;
    let bytes = 0;
    let last: T | undefined;
    for (let entry = this.#entries[this.#head]; entry !== undefined && entry.pending === 0; ) {
      count += entry.count;
      bytes += entry.bytes;
      last = entry;
      this.#entries[this.#head++] = undefined;
      entry = this.#entries[this.#head];
    }
    if (last === undefined) return 0;
    if (this.#head === this.#entries.length || this.#head > 1024) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    const before = this.#prefix;
    this.#prefix = {
      position: last.position,
      count: count + (before?.count ?? 0),
      bytes: bytes + (before?.bytes ?? 0),
    };
    return count;
  }

  /** Takes the prefix that {@link advance} has found; undefined when there is none. */
  take(): Finished | undefined {
    const prefix = this.#prefix;
    this.#prefix = undefined;
    return prefix;
  }

  /** Puts the finished beginning of an entry before it. */
  insertBefore(entry: T, beginning: T): void {
    const index = this.#entries.indexOf(entry, this.#head);
    if (index >= 0) this.#entries.splice(index, 0, beginning);
  }

  /** Whether everything that was added is finished. */
  get finished(): boolean {
    for (let index = this.#head; index < this.#entries.length; index++) {
      if (this.#entries[index]?.pending !== 0) return false;
    }
    return true;
  }

  /** Whether everything that was added is taken. */
  get empty(): boolean {
    return this.#head === this.#entries.length && this.#prefix === undefined;
  }
}
