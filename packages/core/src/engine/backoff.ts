import { ExponentialBackoff, fullJitterGenerator, type IBackoff } from 'cockatiel';
import type { RetrySettings } from '../pipeline-definition.js';

/** The delays between attempts of one thing: exponential with full jitter, starting over after a success. */
export class Backoff {
  /** Failed attempts since the last success. */
  attempts = 0;
  readonly #factory: ExponentialBackoff<number>;
  #current: IBackoff<unknown> | undefined;

  constructor(settings: Required<RetrySettings>) {
    this.#factory = new ExponentialBackoff({
      initialDelay: settings.initialDelayMs,
      maxDelay: settings.maxDelayMs,
      exponent: 2,
      generator: fullJitterGenerator,
    });
  }

  /** Counts a failure and returns how long to wait: at least as long as the system asked for. */
  next(retryAfterMs = 0): number {
    this.attempts++;
    this.#current = this.#current === undefined ? this.#factory.next() : this.#current.next(undefined);
    return Math.max(this.#current.duration, retryAfterMs);
  }

  reset(): void {
    this.attempts = 0;
    this.#current = undefined;
  }
}
