import type { Clock } from '../clock.js';

/** Spreads messages evenly: says whether the next ones have to wait, and calls when they need not any more. */
export class RateLimit {
  readonly #messagesPerSecond: number;
  readonly #clock: Clock;
  readonly #onFree: () => void;
  #freeAt = 0;
  #asked = false;

  constructor(messagesPerSecond: number, clock: Clock, onFree: () => void) {
    this.#messagesPerSecond = messagesPerSecond;
    this.#clock = clock;
    this.#onFree = onFree;
  }

  /** Whether nothing may go yet. */
  waits(): boolean {
    const waitMs = this.#freeAt - this.#clock.now();
    if (waitMs <= 0) return false;
    if (!this.#asked) {
      this.#asked = true;
      this.#clock.after(waitMs, () => {
        this.#asked = false;
        this.#onFree();
      });
    }
    return true;
  }

  /** So many messages go now. */
  take(count: number): void {
    this.#freeAt = Math.max(this.#clock.now(), this.#freeAt) + (count / this.#messagesPerSecond) * 1000;
  }
}
