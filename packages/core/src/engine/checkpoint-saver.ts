import type { CheckpointClaim } from '../checkpoint/store.js';
import { ConnectorError, isConnectorError, messageOf } from '../error.js';
import type { Checkpoint } from '../sink-driver.js';
import { Backoff } from './backoff.js';
import { retriesForever } from './part-error.js';
import type { Run } from './run.js';
import { pause, settles } from './sleep.js';

/** How long a store may take to let go. */
const releaseMs = 5000;

/** Keeps the checkpoint in its store, under this run's claim. */
export class CheckpointSaver {
  /** What the store holds. */
  stored: Checkpoint;
  /** Why the last checkpoint is not stored. */
  failure: ConnectorError | undefined;
  readonly #run: Run;
  readonly #claim: CheckpointClaim;
  readonly #backoff: Backoff;
  /** The last save. One that did not answer in time may still take effect, so that no other one is begun beside it. */
  #saving: Promise<unknown> = Promise.resolve();
  #unanswered = 0;
  #stopped = false;

  constructor(run: Run, claim: CheckpointClaim) {
    this.#run = run;
    this.#claim = claim;
    this.stored = claim.checkpoint;
    this.#backoff = new Backoff(run.plan.retry);
  }

  /** Resolves to false when the positions are not stored. At shutdown it tries again by itself, unless asked to do it `once`. */
  async add(positions: Checkpoint, { once }: { readonly once: boolean }): Promise<boolean> {
    const checkpoint = { ...this.stored, ...positions };
    while (!this.#stopped) {
      try {
        await this.#save(checkpoint);
        this.stored = checkpoint;
        this.failure = undefined;
        if (this.#backoff.attempts > 0) this.#run.recovered('checkpoint');
        this.#backoff.reset();
        return true;
      } catch (thrown) {
        if (this.#stopped || !this.#mayPass(saveError(thrown))) return false;
        if (once || !this.#run.stopping) return false;
        await pause(this.#run.plan.clock, this.#run.plan.retry.initialDelayMs);
      }
    }
    return false;
  }

  async #save(checkpoint: Checkpoint): Promise<void> {
    const { clock, timeoutMs } = this.#run.plan;
    const inTime = async (save: Promise<unknown>): Promise<void> => {
      if (!(await settles(clock, timeoutMs, save))) throw this.#noAnswer(`within ${timeoutMs / 1000} s`);
    };
    await inTime(this.#saving);
    const saving = this.#claim.save(checkpoint);
    this.#saving = saving;
    this.#unanswered++;
    const answered = (): number => this.#unanswered--;
    saving.then(answered, answered);
    await inTime(saving);
    await saving;
  }

  #noAnswer(when: string): ConnectorError {
    const store = this.#run.plan.store?.description ?? 'of the pipeline';
    return new ConnectorError(
      'timeout',
      `the checkpoint store (${store}) gave no answer ${when}; check that it can be written`,
    );
  }

  /** Ends the run when the error does not pass. */
  #mayPass(error: ConnectorError): boolean {
    const delayMs = this.#backoff.next(error.retryAfterMs);
    const exhausted = !retriesForever(error) && this.#backoff.attempts >= this.#run.plan.retry.maxAttempts;
    if (error.outcome !== 'retryable' || exhausted) {
      this.#run.fail(error, 'drop');
      return false;
    }
    this.failure = error;
    this.#run.degraded('checkpoint', error, this.#backoff.attempts, delayMs);
    return true;
  }

  /** Nothing is saved any more. A save that is still under way is one that did not answer in time. */
  stop(): void {
    this.#stopped = true;
    if (this.#unanswered > 0) this.failure ??= this.#noAnswer('before the run ended');
  }

  /** Lets another process claim the checkpoint, if the store does it in time. */
  async release(): Promise<void> {
    await settles(this.#run.plan.clock, releaseMs, this.#release());
  }

  async #release(): Promise<void> {
    const { clock, retry } = this.#run.plan;
    for (let attempts = 1; attempts <= retry.maxAttempts; attempts++) {
      try {
        await this.#claim.release();
        return;
      } catch {
        // All is saved: a release that fails harms the next holder only, so it is tried again and then left to the store.
        await pause(clock, retry.initialDelayMs);
      }
    }
  }
}

function saveError(thrown: unknown): ConnectorError {
  if (isConnectorError(thrown)) return thrown;
  return new ConnectorError('unknown', `the checkpoint could not be saved: ${messageOf(thrown)}`, { cause: thrown });
}
