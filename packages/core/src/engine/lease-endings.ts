import type { Clock } from '../clock.js';
import { ConnectorError } from '../error.js';
import type { Lease } from './lease.js';
import type { Run } from './run.js';
import { settles, sleep } from './sleep.js';

/** How long a read may take to end after it was aborted, before the driver counts as hung. */
const graceMs = 1500;

/** What the ending of a lease needs of the source that holds it. */
export interface LeaseHolder {
  /** Resolves when nothing is left to commit. */
  committed(): Promise<void>;
  /** The lease is held no more. */
  forget(lease: Lease): void;
  /** A read hangs, so the driver has to be opened again. */
  broken(error: ConnectorError): void;
}

/** Ends leases: in peace, when the partition leaves the set, or at once, when it is lost. */
export class LeaseEndings {
  readonly #run: Run;
  readonly #clock: Clock;
  readonly #holder: LeaseHolder;
  /** Leases that are being ended because they were lost. */
  readonly #losing = new Map<Lease, Promise<void>>();

  constructor(run: Run, holder: LeaseHolder) {
    this.#run = run;
    this.#clock = run.plan.clock;
    this.#holder = holder;
  }

  /** Leases that were lost and are not ended yet. */
  get underWay(): readonly Promise<void>[] {
    return [...this.#losing.values()];
  }

  /** Gives a partition up in peace: what was read is written, flushed and committed first, within a limit. */
  async release(lease: Lease): Promise<void> {
    lease.leaving = true;
    lease.stopReading.abort();
    this.#run.budget.wake();
    const drained = (async () => {
      await lease.reading;
      await this.#settle(lease);
      await this.#holder.committed();
    })();
    if (await settles(this.#clock, this.#run.plan.shutdownTimeoutMs, drained)) await this.endIterator(lease);
    else await this.lose(lease);
    this.#forget(lease);
  }

  /** Writes and flushes what was read. What nobody can read again is tried again; the rest comes again where it goes. */
  async #settle(lease: Lease): Promise<void> {
    for (;;) {
      await this.#run.drained(lease);
      if (this.#run.plan.settles !== 'always') return;
      await this.#run.settler.settle();
      if (!lease.retained || lease.lost || lease.tracker.empty || this.#run.stopping) return;
      await sleep(this.#clock, this.#run.plan.retry.initialDelayMs, this.#run.stopSignal);
    }
  }

  /** Ends a lease of which nothing may be committed any more. */
  lose(lease: Lease): Promise<void> {
    const losing = this.#losing.get(lease) ?? this.#loseNow(lease).finally(() => this.#losing.delete(lease));
    this.#losing.set(lease, losing);
    return losing;
  }

  async #loseNow(lease: Lease): Promise<void> {
    lease.lost = true;
    lease.stopReading.abort();
    this.#run.budget.wake();
    await this.#run.endWriting(lease);
    // A commit that is under way was begun while the lease held; it must not outlive it.
    await settles(this.#clock, graceMs, this.#holder.committed());
    await this.endIterator(lease);
    this.#forget(lease);
  }

  /** Ends the reading of a discarded lease, so that its partition can be read again. */
  async endReading(lease: Lease): Promise<void> {
    await settles(this.#clock, graceMs, lease.reading);
    await this.endIterator(lease);
  }

  /** The last step of every lease: from here on its driver hears nothing of it any more. */
  async endIterator(lease: Lease): Promise<void> {
    lease.over = true;
    const ended = (async () => {
      await lease.iterator?.return?.();
    })();
    if (await settles(this.#clock, graceMs, ended)) return;
    if (!this.#run.stopping)
      this.#holder.broken(new ConnectorError('timeout', 'a read did not end after it was aborted'));
  }

  #forget(lease: Lease): void {
    lease.discarded = true;
    this.#run.removeLease(lease);
    this.#holder.forget(lease);
  }
}
