/** Whether writes to a sink may start, as far as flushes, claims and restarts have a say in it. */
export class WriteGate {
  #pauses = 0;
  #held = false;
  readonly #opened: () => void;

  /** @param opened Called when more may start than before. */
  constructor(opened: () => void) {
    this.#opened = opened;
  }

  /** Only the rest of segments that were begun may start. */
  get paused(): boolean {
    return this.#pauses > 0;
  }

  /** Nothing may start. */
  get held(): boolean {
    return this.#held;
  }

  /** Lets only the rest of segments that were begun start, so that a flush can follow; until {@link resume}, once for each call. */
  pause(): void {
    this.#pauses++;
  }

  /** Lets nothing at all start until {@link unhold} or {@link resume}: the sink is flushed or claimed. */
  hold(): void {
    this.#held = true;
  }

  /** Ends {@link hold}; a pause goes on. */
  unhold(): void {
    this.#held = false;
    this.#opened();
  }

  resume(): void {
    this.#pauses--;
    this.#held = false;
    this.#opened();
  }
}
