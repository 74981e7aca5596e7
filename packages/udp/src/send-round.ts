import type { BatchFailure } from '@sluice/core/driver';

type Answer = (error: Error | null) => void;

/**
 * Collects the kernel's answers to the sends of one write. Reused for write after write, so that a message costs neither a
 * promise nor a closure; a round that was given up must not be used again, because answers may still come.
 */
export class SendRound {
  readonly #answers: Answer[] = [];
  #pending = 0;
  #failures: BatchFailure[] = [];
  #done: (() => void) | undefined;

  /** What to give to `socket.send` for the message at `index`. */
  expect(index: number): Answer {
    this.#pending++;
    this.#answers[index] ??= (error) => {
      if (error !== null) this.#failures.push({ index, error });
      if (--this.#pending === 0) this.#done?.();
    };
    return this.#answers[index];
  }

  /** Notes a message that is not sent at all. */
  refuse(index: number, error: unknown): void {
    this.#failures.push({ index, error });
  }

  /** Resolves when every answer is there, with the failures in order of index. Rejects when `signal` is aborted before. */
  async finish(signal: AbortSignal): Promise<readonly BatchFailure[]> {
    if (this.#pending > 0) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const abort = () => reject(signal.reason);
      this.#done = resolve;
      signal.addEventListener('abort', abort, { once: true });
      try {
        await promise;
      } finally {
        signal.removeEventListener('abort', abort);
      }
    }
    const failures = this.#failures.sort((a, b) => a.index - b.index);
    this.#failures = [];
    return failures;
  }
}
