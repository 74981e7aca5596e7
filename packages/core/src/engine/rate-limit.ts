/** Spreads messages evenly: says how long the next ones have to wait. Holds no timer of its own. */
export class RateLimit {
  readonly #messagesPerSecond: number;
  #freeAt = 0;

  constructor(messagesPerSecond: number) {
    this.#messagesPerSecond = messagesPerSecond;
  }

  /** Reserves room for `count` messages; returns the milliseconds until they may go. */
  reserve(count: number, now: number): number {
    const start = Math.max(now, this.#freeAt);
    this.#freeAt = start + (count / this.#messagesPerSecond) * 1000;
    return start - now;
  }
}
