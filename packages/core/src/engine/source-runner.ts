import { ConnectorError } from '../error.js';
import type { Checkpoint } from '../sink-driver.js';
import type { Position, SourceDriver } from '../source-driver.js';
import { Backoff } from './backoff.js';
import { Condition } from './condition.js';
import { HeldLeases } from './held-leases.js';
import type { Lease } from './lease.js';
import { openSource } from './open-source.js';
import { errorWrapper, givenUp, retriesForever, type WrapError } from './part-error.js';
import type { SourcePlan } from './plan.js';
import type { Run } from './run.js';
import { settles, sleep } from './sleep.js';

/** How long a close may take. */
const closeMs = 5000;

/** Reads one source: opens it, follows its set of partitions with one lease each, and opens it again when it breaks. */
export class SourceRunner {
  readonly plan: SourcePlan;
  readonly #run: Run;
  readonly #wrap: WrapError;
  readonly #backoff: Backoff;
  readonly #held: HeldLeases;
  readonly #changed = new Condition();
  /** No other set of partitions comes. */
  #isLastSet = false;
  #driver: SourceDriver | undefined;
  #failure: ConnectorError | undefined;

  constructor(run: Run, plan: SourcePlan) {
    this.#run = run;
    this.plan = plan;
    this.#wrap = errorWrapper(plan.source);
    this.#backoff = new Backoff(run.plan.retry);
    this.#held = new HeldLeases(run, plan, {
      received: () => this.#recovered(),
      changed: () => this.#changed.notify(),
      lost: (error) => this.#lost(error),
      broken: (error) => this.#fail(error),
    });
  }

  /** Reads until the source ends or the run stops. Never rejects: failures end the run. */
  async run(): Promise<void> {
    let limitMs: number | undefined = this.#run.plan.openTimeoutMs;
    while (!this.#run.stopping) {
      try {
        this.#failure = undefined;
        this.#held.clearCommits();
        this.#driver = await openSource(this.#run, this.plan, { wrap: this.#wrap, backoff: this.#backoff, limitMs });
        if (limitMs !== undefined) this.#run.opened();
        limitMs = undefined;
      } catch (thrown) {
        if (!this.#run.stopping) this.#run.fail(this.#wrap(thrown, 'open'), 'drain'); // it was tried often enough
        return;
      }
      try {
        await this.#consume(this.#driver);
        return;
      } catch (thrown) {
        if (this.#run.stopping) return;
        const error = this.#wrap(thrown, 'read');
        await this.#breakDown();
        if (!(await this.#waitAfter(error))) return;
      }
    }
  }

  /** Ends every lease as lost and closes the driver. */
  async #breakDown(): Promise<void> {
    await this.#held.lose();
    await this.#closeDriver();
  }

  /** Waits before the source is opened again; false: it is not. */
  async #waitAfter(error: ConnectorError): Promise<boolean> {
    if (this.#run.stopping) return false;
    if (error.outcome !== 'retryable') {
      this.#run.fail(error, 'drain');
      return false;
    }
    const delayMs = this.#backoff.next(error.retryAfterMs);
    if (!retriesForever(error) && this.#backoff.attempts >= this.#run.plan.retry.maxAttempts) {
      this.#run.fail(givenUp(error, `gave up after ${this.#backoff.attempts} attempts`), 'drain');
      return false;
    }
    this.#run.degraded(this.plan.id, error, this.#backoff.attempts, delayMs);
    await sleep(this.#run.plan.clock, delayMs, this.#run.stopSignal);
    return true;
  }

  /** Follows the set of partitions; resolves when the source has ended or the run stops. */
  async #consume(driver: SourceDriver): Promise<void> {
    const sets = (driver.partitions?.(this.#run.stopSignal) ?? onlyPartition())[Symbol.asyncIterator]();
    this.#held.set = [];
    this.#isLastSet = false;
    for (;;) {
      const next = await this.#unlessFailed(sets.next());
      if (this.#run.stopping) return;
      if (next === undefined || next.done === true) break;
      await this.#follow(driver, next.value);
    }
    this.#isLastSet = true;
    const [lost] = this.#held.unheld(this.#held.set);
    if (lost !== undefined)
      throw new ConnectorError('lease_lost', `partition "${lost}" was lost, and no other set comes`);
    await this.#complete();
    if (this.#run.stopping || this.plan.source.capabilities.bounded) return;
    throw new ConnectorError('not_connected', 'the source ended without being asked');
  }

  /** Resolves when every partition has ended and all that was read is settled, however often that has to be tried. */
  async #complete(): Promise<void> {
    for (let complete = false; !complete && !this.#run.stopping; ) {
      await this.#changed.until(() => this.#failure !== undefined || this.#run.stopping || this.#held.ended);
      if (this.#run.stopping) return;
      if (this.#failure !== undefined) throw this.#failure;
      await this.#unlessFailed(this.#settleAll());
      if (this.#run.stopping) return;
      // A restart may have come between: its leases are waited for; else something is stuck, and time may help.
      if (this.#held.ended && this.#held.all.some((lease) => !lease.isSettled)) {
        await sleep(this.#run.plan.clock, this.#run.plan.retry.initialDelayMs, this.#run.stopSignal);
      }
      complete =
        this.#failure === undefined &&
        this.#held.ended &&
        this.#held.all.every((lease) => !lease.discarded && lease.isSettled);
      const { onEnd } = this.#run.plan;
      if (!complete || onEnd === undefined || !this.plan.source.capabilities.bounded) continue;
      onEnd();
      await this.#changed.until(() => this.#failure !== undefined || this.#run.stopping);
      complete = false;
    }
  }

  async #settleAll(): Promise<void> {
    await Promise.all(this.#held.all.map((lease) => this.#run.drained(lease)));
    if (this.#run.plan.settles === 'always') await this.#run.settleAndCommit();
  }

  /** Waits no longer than the source is of use, however long a sink hangs. Throws its failure; undefined: the run stops. */
  async #unlessFailed<T>(work: Promise<T>): Promise<T | undefined> {
    let settled = false;
    const mark = (): void => {
      settled = true;
      this.#changed.notify();
    };
    work.then(mark, mark);
    await this.#changed.until(() => settled || this.#failure !== undefined || this.#run.stopping);
    if (this.#run.stopping) return undefined;
    if (this.#failure !== undefined) throw this.#failure;
    return await work;
  }

  /** Gives up what is no longer in the set, then begins what is new in it. */
  async #follow(driver: SourceDriver, set: readonly string[]): Promise<void> {
    await this.#held.giveUpOthers(set);
    if (this.#run.stopping || this.#failure !== undefined) return;
    const joining = this.#held.unheld(set);
    this.#held.set = set;
    this.#run.stats.unread.forgetOthers(this.plan.id, set);
    if (joining.length > 0) await this.#begin(driver, joining);
  }

  async #begin(driver: SourceDriver, partitions: readonly string[]): Promise<void> {
    for (let begun = false; !begun && !this.#run.stopping && this.#failure === undefined; ) {
      begun = await this.#run.restarter.claim(this.plan, partitions, (stored) => {
        for (const partition of partitions)
          this.#held.begin(driver, partition, { stored: stored[`${this.plan.id}:${partition}`], start: undefined });
      });
    }
  }

  #recovered(): void {
    if (this.#backoff.attempts === 0) return;
    this.#backoff.reset();
    this.#run.recovered(this.plan.id);
  }

  /** Where no other set comes that may have the partition again, the source is opened again. */
  #lost(error: ConnectorError): void {
    if (this.#isLastSet) this.#fail(error);
  }

  /** The driver is of no use any more: it is closed and opened again. */
  #fail(error: ConnectorError): void {
    this.#failure ??= error;
    this.#changed.notify();
  }

  /** Reads the partitions of discarded leases again. Called while nothing else can begin or end a lease. */
  beginAgain(stored: Checkpoint): void {
    if (this.#driver !== undefined && this.#failure === undefined) this.#held.beginAgain(this.#driver, stored);
  }

  /** Ends the reading of all discarded leases, so that their partitions can be read again. */
  endDiscarded(): Promise<void> {
    return this.#held.endDiscarded();
  }

  commit(lease: Lease, position: Position): void {
    this.#held.commit(lease, position);
  }

  /** Stops fetching; what was read stays on its way. */
  stopReading(): void {
    this.#held.stopReading();
  }

  committed(): Promise<void> {
    return this.#held.committed();
  }

  async close(): Promise<void> {
    await this.#held.endIterators();
    await this.#closeDriver();
  }

  async #closeDriver(): Promise<void> {
    const driver = this.#driver;
    this.#driver = undefined;
    if (driver !== undefined) await settles(this.#run.plan.clock, closeMs, driver.close());
  }
}

async function* onlyPartition(): AsyncGenerator<readonly string[]> {
  yield [''];
}
