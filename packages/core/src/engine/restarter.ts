import { ConnectorError } from '../error.js';
import type { Checkpoint } from '../sink-driver.js';
import { Backoff } from './backoff.js';
import { givenUp, retriesForever } from './part-error.js';
import type { SourcePlan } from './plan.js';
import type { Run } from './run.js';
import type { Settler } from './settler.js';
import type { SinkWriter } from './sink-writer.js';
import { sleep } from './sleep.js';

/**
 * Claims the partitions of atomic sinks, and goes back to the last checkpoint when a sink that needs flushes has failed: what
 * it has not flushed counts as not written and is read again.
 */
export class Restarter {
  /** A restart is under way: nothing settles, begins or is written. */
  active = false;
  readonly #run: Run;
  readonly #settler: Settler;
  readonly #backoff: Backoff;
  /** A claim of this run timed out, so it may still raise the fence. */
  #claimInDoubt = false;

  constructor(run: Run, settler: Settler) {
    this.#run = run;
    this.#settler = settler;
    this.#backoff = new Backoff(run.plan.retry);
  }

  /**
   * Claims partitions and begins their leases; false when a failing sink came between. What the sinks have taken over is
   * flushed first, because a claim forgets what is not.
   */
  claim(source: SourcePlan, partitions: readonly string[], begin: (stored: Checkpoint) => void): Promise<boolean> {
    return this.#settler.exclusively(async () => {
      const atomic = this.#atomicWriters();
      // Saved first: a lease that began behind what an older one has settled would write it again, and out of order.
      await this.#settler.save();
      let stored: Checkpoint = source.owner === 'store' ? this.#settler.positions() : {};
      if (atomic.length > 0) {
        // Paused before the flush already: the claim would forget what is written in between.
        for (const writer of this.#run.writers) writer.gate.pause();
        try {
          await this.#settler.cycle();
          if (this.active) return false;
          for (const writer of this.#run.writers) writer.gate.hold();
          const claimed = await this.#claimUntilDone(
            atomic,
            partitions.map((partition) => `${source.id}:${partition}`),
          );
          if (source.owner === 'sink') stored = claimed;
        } finally {
          for (const writer of this.#run.writers) writer.gate.resume();
        }
      }
      if (this.#run.stopping || this.active) return false;
      begin(stored);
      return true;
    });
  }

  #atomicWriters(): SinkWriter[] {
    return this.#run.writers.filter((writer) => writer.branch.sink.capabilities.atomic);
  }

  async #claimUntilDone(writers: readonly SinkWriter[], keys: readonly string[]): Promise<Checkpoint> {
    let stored: Checkpoint = {};
    for (const writer of writers) {
      const backoff = new Backoff(this.#run.plan.retry);
      for (let done = false; !done && !this.#run.stopping; ) {
        try {
          if (writer.session.broken) await writer.session.reopen();
          stored = { ...stored, ...(await writer.session.claim(keys)) };
          done = true;
          if (backoff.attempts > 0) this.#run.recovered(writer.branch.id);
        } catch (thrown) {
          const error = thrown as ConnectorError; // the session throws nothing else
          if (error.code === 'timeout') this.#claimInDoubt = true;
          if (writer.session.broken && !this.active && !this.#run.stopping && this.#run.leases.size > 0) {
            // A fresh driver holds none of the claims of the one before, and nobody knows who has gone on meanwhile.
            this.restart(writer, error);
            return stored;
          }
          await this.#waitToRetry(writer.branch.id, error, backoff);
        }
      }
    }
    return stored;
  }

  /** Waits in back-off; ends the run instead when that is of no use. */
  async #waitToRetry(part: string, error: ConnectorError, backoff: Backoff): Promise<void> {
    if (this.#run.stopping && error.code === 'aborted') return; // it was the stop that ended it
    const delayMs = backoff.next(error.retryAfterMs);
    const exhausted = !retriesForever(error) && backoff.attempts >= this.#run.plan.retry.maxAttempts;
    if (error.outcome !== 'retryable' || exhausted) {
      this.#run.fail(exhausted ? givenUp(error, `gave up after ${backoff.attempts} attempts`) : error, 'drop');
      return;
    }
    if (this.#run.stopping) return;
    this.#run.degraded(part, error, backoff.attempts, delayMs);
    await sleep(this.#run.plan.clock, delayMs, this.#run.stopSignal);
  }

  /** No flush has brought anything further since the last failure. */
  get careful(): boolean {
    return this.#backoff.attempts > 0;
  }

  flushSucceeded(): void {
    if (this.#backoff.attempts > 0) for (const { id } of this.#run.plan.branches) this.#run.recovered(id);
    this.#backoff.reset();
  }

  /** Discards what was read, at once; the rest follows when nothing settles any more. */
  restart(writer: SinkWriter, error: ConnectorError): void {
    if (this.active) return;
    const lostLease = [...this.#run.leases].some((lease) => lease.lost);
    // Another instance that was given a lost partition fences us out of it; that is no reason to give up the others. And a
    // claim of our own that timed out may have taken effect late, once.
    const passes = error.outcome === 'retryable' || (error.code === 'fenced' && (lostLease || this.#claimInDoubt));
    if (error.code === 'fenced') this.#claimInDoubt = false;
    if (!passes) {
      writer.halted = true;
      this.#run.fail(error, 'drop');
    }
    this.active = true;
    for (const lease of this.#run.leases) {
      if (lease.retained) continue;
      lease.discarded = true;
      lease.stopReading.abort();
      if (lease.unsettled.messages > 0) lease.readsAgain = true;
      this.#run.discharge(lease);
      for (const each of this.#run.writers) each.drop(lease);
    }
    this.#run.budget.wake();
    this.#run.changed.notify();
    for (const each of this.#run.writers) each.changed.notify(); // a flush may wait for what is not written now
    void this.#settler.exclusively(() => this.#goBack(writer, passes ? retryable(error) : error));
  }

  /** Brings the sink back and reads again from the last checkpoint. */
  async #goBack(failed: SinkWriter, error: ConnectorError): Promise<void> {
    const { writers } = this.#run;
    for (const writer of writers) {
      writer.gate.pause();
      await writer.changed.until(() => writer.inFlight === 0);
    }
    // What is durable already is still told, while the leases last.
    await this.#settler.save();
    await this.#run.endDiscarded();
    if (!this.#run.stopping) await this.#waitToRetry(failed.branch.id, error, this.#backoff);
    const claimed = await this.#reopenAndClaim();
    this.active = false;
    if (this.#run.stopping)
      failed.session.broken = true; // what it took over is in doubt, so it is not flushed any more
    else {
      for (const writer of writers) writer.unwritten();
      this.#run.beginAgain((source) => this.#resumeAt(source, claimed));
    }
    for (const writer of writers) writer.gate.resume();
    this.#run.changed.notify();
  }

  async #reopenAndClaim(): Promise<Checkpoint> {
    try {
      for (const writer of this.#run.writers) {
        if (writer.session.broken && !this.#run.stopping) await writer.session.reopen();
      }
    } catch (thrown) {
      if (!this.#run.stopping) this.#run.fail(thrown as ConnectorError, 'drop'); // the session throws nothing else
    }
    const keys = [...this.#run.leases].map((lease) => lease.key);
    return this.#claimUntilDone(this.#atomicWriters(), keys);
  }

  /** Where the partitions of a source go on while they are still held. */
  #resumeAt(source: SourcePlan, claimed: Checkpoint): Checkpoint {
    if (source.owner === 'sink') return claimed;
    if (source.owner === 'source' && !source.source.capabilities.replayable) return {};
    return this.#settler.positions();
  }
}

function retryable(error: ConnectorError): ConnectorError {
  return error.outcome === 'retryable' ? error : new ConnectorError('lease_lost', error.message, { cause: error });
}
