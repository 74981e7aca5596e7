import type { BatchFailure } from '@sluice/core/driver';

/** The messages of one write on their way: how many are still under way, and which have failed. */
export class Delivery {
  readonly #failures: BatchFailure[] = [];
  readonly #end: PromiseWithResolvers<void> = Promise.withResolvers();
  #pending = 0;
  #abandoned = false;

  /** The writer has given up waiting: what was not sent yet need not be, and what was is not sent again. */
  get abandoned(): boolean {
    return this.#abandoned;
  }

  /** Resolves when nothing is under way any more or the writer has given up. Never rejects. */
  get ended(): Promise<void> {
    return this.#end.promise;
  }

  /** Some more messages are under way. */
  expect(count: number): void {
    this.#pending += count;
  }

  /** Some messages have arrived. */
  arrived(count: number): void {
    this.#pending -= count;
    if (this.#pending === 0) this.#end.resolve();
  }

  /** A message that was under way has failed. */
  failed(index: number, error: unknown): void {
    this.refuse(index, error);
    this.arrived(1);
  }

  /** A message fails before it was under way. */
  refuse(index: number, error: unknown): void {
    this.#failures.push({ index, error });
  }

  /** By index. */
  get failures(): readonly BatchFailure[] {
    return this.#failures.toSorted((a, b) => a.index - b.index);
  }

  /** Resolves with the failures when nothing is under way any more; rejects when the signal is aborted before that. */
  async settled(signal: AbortSignal, onAbandon: () => void): Promise<readonly BatchFailure[]> {
    if (this.#pending > 0) {
      const onAbort = (): void => {
        this.#abandoned = true;
        onAbandon();
        this.#end.resolve();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
      await this.#end.promise;
      signal.removeEventListener('abort', onAbort);
      if (this.#abandoned) signal.throwIfAborted();
    }
    return this.failures;
  }
}
