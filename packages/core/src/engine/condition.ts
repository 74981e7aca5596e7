/** Lets several wait until something may have changed; each looks for itself whether it did. */
export class Condition {
  #waiting: (() => void)[] = [];

  /** Resolves at the next {@link notify}. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  notify(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Waits until `holds` is true. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await this.wait();
  }
}

/** Runs one task after the other, in the order of the calls. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => undefined); // the failure belongs to the caller of that task
    return result;
  }
}
