import type { Clock } from '../clock.js';

/** Lets a write wait to fill for `maxAgeMs`, counted from the first message that waits for it. */
export class FillWait {
  readonly #clock: Clock;
  readonly #maxAgeMs: number;
  readonly #onDue: () => void;
  #dueAt: number | undefined;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, maxAgeMs: number, onDue: () => void) {
    this.#clock = clock;
    this.#maxAgeMs = maxAgeMs;
    this.#onDue = onDue;
  }

  /** Whether what waits may wait on; `full`: it need not, because the write is full or nothing more can come. */
  waits(full: boolean): boolean {
    if (this.#maxAgeMs === 0) return false;
    const now = this.#clock.now();
    if (!full && this.#dueAt === undefined) {
      this.#dueAt = now + this.#maxAgeMs;
      this.#cancel = this.#clock.after(this.#maxAgeMs, this.#onDue);
    }
    if (!full && now < (this.#dueAt ?? now)) return true;
    this.#cancel?.();
    this.#dueAt = undefined;
    this.#cancel = undefined;
    return false;
  }
}
