import { ConnectorError, withoutStop } from '../error.js';
import type { StoredPosition } from '../sink-driver.js';
import type { Position, SourceDriver } from '../source-driver.js';
import { Backoff } from './backoff.js';
import { Committer } from './committer.js';
import { Condition } from './condition.js';
import { Lease } from './lease.js';
import { LeaseEndings } from './lease-endings.js';
import { openSource } from './open-source.js';
import { errorWrapper, givenUp, retriesForever, type WrapError } from './part-error.js';
import type { SourcePlan } from './plan.js';
import { checkedPosition, readLease } from './read-lease.js';
import type { Run } from './run.js';
import { settles, sleep } from './sleep.js';

/** How long a close may take. */
const closeMs = 5000;
/** Reads one source: opens it, follows its set of partitions with one lease each, and opens it again when it breaks. */
export class SourceRunner {
  readonly plan: SourcePlan;
  readonly wrap: WrapError;
  readonly #run: Run;
  readonly #committer: Committer;
  readonly #backoff: Backoff;
  readonly #endings: LeaseEndings;
  readonly #changed = new Condition();
  /** The lease of every partition of the set, also when its reading has ended. */
  readonly #held = new Map<string, Lease>();
  /** The set that was told last; all of them share the budget. */
  #set: readonly string[] = [];
  /** No other one comes. */
  #isLastSet = false;
  #driver: SourceDriver | undefined;
  #failure: ConnectorError | undefined;

  constructor(run: Run, plan: SourcePlan) {
    this.#run = run;
    this.plan = plan;
    this.wrap = errorWrapper(plan.source);
    this.#backoff = new Backoff(run.plan.retry);
    this.#committer = new Committer(run, plan.id, this.wrap, {
      lost: (lease, error) => this.#lost(lease, error),
      broken: (error) => this.#fail(error),
    });
    this.#endings = new LeaseEndings(run, {
      committed: () => this.#committer.idle(),
      broken: (error) => this.#fail(error),
      forget: (lease) => {
        if (this.#held.get(lease.partition) === lease) this.#held.delete(lease.partition);
        this.#changed.notify();
      },
    });
  }

  /** Reads until the source ends or the run stops. Never rejects: failures end the run. */
  async run(): Promise<void> {
    let limitMs: number | undefined = this.#run.plan.openTimeoutMs;
    while (!this.#run.stopping) {
      try {
        this.#failure = undefined;
        this.#committer.clear();
        this.#driver = await openSource(this.#run, this.plan, { wrap: this.wrap, backoff: this.#backoff, limitMs });
        if (limitMs !== undefined) this.#run.opened();
        limitMs = undefined;
      } catch (thrown) {
        if (!this.#run.stopping) this.#run.fail(this.wrap(thrown, 'open'), 'drain'); // it was tried often enough
        return;
      }
      try {
        await this.#consume(this.#driver);
        return;
      } catch (thrown) {
        if (this.#run.stopping) return;
        const error = this.wrap(thrown, 'read');
        await this.#breakDown();
        if (!(await this.#waitAfter(error))) return;
      }
    }
  }

  /** Ends every lease as lost and closes the driver. */
  async #breakDown(): Promise<void> {
    await Promise.all([...this.#held.values()].map((lease) => this.#endings.lose(lease)));
    this.#held.clear();
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
    this.#set = [];
    this.#isLastSet = false;
    for (;;) {
      const next = await this.#unlessFailed(sets.next());
      if (this.#run.stopping) return;
      if (next === undefined || next.done === true) break;
      await this.#follow(driver, next.value);
    }
    this.#isLastSet = true;
    const lost = this.#set.find((partition) => this.#held.get(partition)?.lost !== false);
    if (lost !== undefined)
      throw new ConnectorError('lease_lost', `partition "${lost}" was lost, and no other set comes`);
    await this.#complete();
    if (this.#run.stopping || this.plan.source.capabilities.bounded) return;
    throw new ConnectorError('not_connected', 'the source ended without being asked');
  }

  /** Resolves when every partition has ended and all that was read is settled, however often that has to be tried. */
  async #complete(): Promise<void> {
    for (let complete = false; !complete && !this.#run.stopping; ) {
      await this.#changed.until(() => this.#failure !== undefined || this.#run.stopping || this.#allEnded());
      if (this.#run.stopping) return;
      if (this.#failure !== undefined) throw this.#failure;
      await this.#unlessFailed(this.#settleAll());
      if (this.#run.stopping) return;
      // A restart may have come between: its leases are waited for; else something is stuck, and time may help.
      if (this.#allEnded() && [...this.#held.values()].some((lease) => !lease.isSettled)) {
        await sleep(this.#run.plan.clock, this.#run.plan.retry.initialDelayMs, this.#run.stopSignal);
      }
      complete =
        this.#failure === undefined &&
        this.#allEnded() &&
        [...this.#held.values()].every((lease) => !lease.discarded && lease.isSettled);
      const { onEnd } = this.#run.plan;
      if (!complete || onEnd === undefined || !this.plan.source.capabilities.bounded) continue;
      onEnd();
      await this.#changed.until(() => this.#failure !== undefined || this.#run.stopping);
      complete = false;
    }
  }

  async #settleAll(): Promise<void> {
    await Promise.all([...this.#held.values()].map((lease) => this.#run.drained(lease)));
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

  #allEnded(): boolean {
    return this.#endings.underWay.length === 0 && [...this.#held.values()].every((lease) => lease.ended);
  }

  /** Gives up what is no longer in the set, then begins what is new in it. */
  async #follow(driver: SourceDriver, set: readonly string[]): Promise<void> {
    const leaving = [...this.#held.values()].filter((lease) => !set.includes(lease.partition));
    await Promise.all(leaving.map((lease) => this.#endings.release(lease)));
    await Promise.all(this.#endings.underWay);
    if (this.#run.stopping || this.#failure !== undefined) return;
    const joining = set.filter((partition) => this.#held.get(partition)?.lost !== false);
    this.#set = set;
    if (joining.length > 0) await this.#begin(driver, joining);
  }

  async #begin(driver: SourceDriver, partitions: readonly string[]): Promise<void> {
    for (let begun = false; !begun && !this.#run.stopping && this.#failure === undefined; ) {
      begun = await this.#run.restarter.claim(this.plan, partitions, (stored) => {
        for (const partition of partitions)
          this.#beginLease(driver, partition, stored[`${this.plan.id}:${partition}`], undefined);
      });
    }
  }

  /** Reads the partitions of discarded leases again. Called while nothing else can begin or end a lease. */
  beginAgain(stored: Readonly<Record<string, StoredPosition>>): void {
    const driver = this.#driver;
    if (driver === undefined || this.#failure !== undefined) return;
    for (const [partition, lease] of [...this.#held]) {
      if (!lease.discarded) continue;
      if (lease.leaving || lease.lost) this.#held.delete(partition);
      else this.#run.settler.inherit(this.#beginLease(driver, partition, stored[lease.key], undefined), lease);
    }
  }

  #beginLease(
    driver: SourceDriver,
    partition: string,
    stored: StoredPosition | undefined,
    start: 'earliest' | 'latest' | undefined,
  ): Lease {
    const lease = new Lease(this.plan, partition, driver);
    this.#held.set(partition, lease);
    this.#run.leases.add(lease);
    lease.reading = this.#read(lease, stored, start);
    // The lease before may have ended between checkpoint and commit, and this one may have nothing to read.
    if (stored !== undefined && this.#run.settler.isDurable(lease, stored)) this.commit(lease, stored.position);
    return lease;
  }

  async #read(
    lease: Lease,
    stored: StoredPosition | undefined,
    start: 'earliest' | 'latest' | undefined,
  ): Promise<void> {
    try {
      const position = stored === undefined ? undefined : checkedPosition(stored, lease);
      const finished = await readLease(this.#run, lease, {
        position,
        start,
        partitions: this.#set.length,
        onBatch: this.#onBatch,
      });
      if (finished && lease.driver.partitions === undefined && !this.plan.source.capabilities.bounded) {
        throw new ConnectorError('not_connected', 'the source ended without being asked');
      }
    } catch (thrown) {
      await this.#readFailed(lease, thrown);
    }
    lease.ended = true;
    this.#changed.notify();
    this.#run.readingEnded();
  }

  readonly #onBatch = (): void => {
    if (this.#backoff.attempts === 0) return;
    this.#backoff.reset();
    this.#run.recovered(this.plan.id);
  };

  async #readFailed(lease: Lease, thrown: unknown): Promise<void> {
    const error = this.wrap(thrown, 'read', lease.partition);
    if (lease.stopReading.signal.aborted || lease.discarded) {
      // It was asked to end; how it does is its own affair. But it may have ended by itself in the same instant.
      if (lease.discarded && error.code !== 'aborted') lease.over = true;
      return;
    }
    lease.over = true; // the iterator has ended with what it threw, and the lease with it
    const { onPositionLost } = this.#run.plan;
    if (error.code === 'lease_lost') {
      lease.ended = true;
      this.#lost(lease, error);
    } else if (error.code === 'position_lost' && onPositionLost !== undefined) {
      this.#run.notice(
        this.plan.id,
        `${withoutStop(error.message)}; going on at the ${onPositionLost} position, as "onPositionLost" asks`,
      );
      lease.ended = true;
      await this.#readElsewhere(lease, onPositionLost);
    } else this.#fail(error);
  }

  /** A partition was lost without warning. Where no other set comes that may have it again, the source is opened again. */
  #lost(lease: Lease, error: ConnectorError): void {
    if (this.#isLastSet) this.#fail(error);
    void this.#endings.lose(lease).then(() => this.#changed.notify());
  }

  async #readElsewhere(lost: Lease, start: 'earliest' | 'latest'): Promise<void> {
    await this.#endings.endIterator(lost);
    lost.discarded = true;
    this.#run.removeLease(lost);
    if (!this.#run.stopping) this.#beginLease(lost.driver, lost.partition, undefined, start);
  }

  /** Ends the reading of all discarded leases, so that their partitions can be read again. */
  async endDiscarded(): Promise<void> {
    const discarded = [...this.#held.values()].filter((lease) => lease.discarded);
    await Promise.all(discarded.map((lease) => this.#endings.endReading(lease)));
  }

  commit(lease: Lease, position: Position): void {
    this.#committer.add(lease, position);
  }

  /** The driver is of no use any more: it is closed and opened again. */
  #fail(error: ConnectorError): void {
    this.#failure ??= error;
    this.#changed.notify();
  }

  /** Stops fetching; what was read stays on its way. */
  stopReading(): void {
    for (const lease of this.#held.values()) lease.stopReading.abort();
    this.#changed.notify();
  }

  committed(): Promise<void> {
    return this.#committer.idle();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#held.values()].map((lease) => this.#endings.endIterator(lease)));
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
