import type { Clock } from '../clock.js';

/**
 * A moment at which all that has happened is heard of. A write that follows one under way begins only then: a failure that is
 * on its way to us must hold it back, or it would overtake what failed.
 */
export class Turn {
  /** It is that moment. */
  now = false;
  readonly #clock: Clock;
  readonly #begin: () => void;
  #asked = false;

  constructor(clock: Clock, begin: () => void) {
    this.#clock = clock;
    this.#begin = begin;
  }

  /** Calls `begin` at the next such moment. */
  ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    void this.#clock.yield().then(() => {
      this.#asked = false;
      this.now = true;
      this.#begin();
      this.now = false;
    });
  }
}
