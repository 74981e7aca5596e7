import { ConnectorError } from '../error.js';
import type { StoredPosition } from '../sink-driver.js';
import type { Position, ReadOptions, SourceBatch, SourceDriver } from '../source-driver.js';
import { Backoff } from './backoff.js';
import { Committer } from './committer.js';
import { Condition } from './condition.js';
import { Lease } from './lease.js';
import { openDriver } from './open-driver.js';
import { errorWrapper, givenUp, retriesForever, type WrapError } from './part-error.js';
import type { SourcePlan } from './plan.js';
import type { Run } from './run.js';
import { settles, sleep } from './sleep.js';

/** How long a read may take to end after it was aborted, and a close at all, before the driver counts as hung. */
const graceMs = 1500;
const closeMs = 5000;
/** A read asks for no more than this at once, however large the budget. */
const maxReadBytes = 1024 * 1024;
const maxReadMessages = 10_000;
/** Batches after which a source that is always ready lets timers and I/O have their turn. */
const batchesPerTurn = 32;

/** Reads one source: opens it, follows its set of partitions with one lease each, and opens it again when it breaks. */
export class SourceRunner {
  readonly plan: SourcePlan;
  readonly wrap: WrapError;
  readonly #run: Run;
  readonly #committer: Committer;
  readonly #backoff: Backoff;
  readonly #commitBackoff: Backoff;
  readonly #changed = new Condition();
  /** The lease of every partition of the set, also when its reading has ended. */
  readonly #held = new Map<string, Lease>();
  /** Leases that are being ended because they were lost. */
  readonly #ending = new Map<Lease, Promise<void>>();
  #driver: SourceDriver | undefined;
  #failure: ConnectorError | undefined;

  constructor(run: Run, plan: SourcePlan) {
    this.#run = run;
    this.plan = plan;
    this.wrap = errorWrapper(plan.source);
    this.#backoff = new Backoff(run.plan.retry);
    this.#commitBackoff = new Backoff(run.plan.retry);
    this.#committer = new Committer(run.plan.clock, run.plan.timeoutMs, (lease, error) => this.#commitFailed(lease, error));
  }

  /** Reads until the source ends or the run stops. Never rejects: failures end the run. */
  async run(): Promise<void> {
    let limitMs: number | undefined = this.#run.plan.openTimeoutMs;
    while (!this.#run.stopping) {
      try {
        this.#failure = undefined;
        this.#driver = await this.#open(limitMs);
        limitMs = undefined;
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

  #open(limitMs: number | undefined): Promise<SourceDriver> {
    const { source, id } = this.plan;
    const { plan } = this.#run;
    const descriptor = source.connector.source;
    if (descriptor === undefined) throw new ConnectorError('unsupported', `${source.connector.name} has no source`);
    const context = this.#run.driverContext(id, source.connector.name);
    return openDriver<SourceDriver>({
      open: async (signal) => descriptor.open(source.config, source.options, { ...context, signal }),
      wrap: this.wrap,
      clock: plan.clock,
      backoff: this.#backoff,
      maxAttempts: plan.retry.maxAttempts,
      limitMs,
      attemptMs: plan.timeoutMs,
      stop: this.#run.stopSignal,
      onRetry: (error, attempt, delayMs) => this.#run.degraded(id, error, attempt, delayMs),
    });
  }

  /** Ends every lease as lost and closes the driver. */
  async #breakDown(): Promise<void> {
    this.#committer.clear();
    await Promise.all([...this.#held.values()].map((lease) => this.#lose(lease)));
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
    for (;;) {
      let next: IteratorResult<readonly string[]> | undefined;
      let failed: { readonly error: unknown } | undefined;
      sets.next().then(
        (result) => {
          next = result;
          this.#changed.notify();
        },
        (error: unknown) => {
          failed = { error };
          this.#changed.notify();
        },
      );
      await this.#changed.until(() => next !== undefined || failed !== undefined || this.#failure !== undefined || this.#run.stopping);
      if (this.#run.stopping) return;
      if (this.#failure !== undefined) throw this.#failure;
      if (failed !== undefined) throw failed.error;
      if (next === undefined || next.done === true) break;
      await this.#follow(driver, next.value);
    }
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
      const leases = [...this.#held.values()];
      await Promise.all(leases.map((lease) => this.#run.drained(lease)));
      await this.#run.settleAndCommit();
      // A restart may have come between: its leases are waited for; else something is stuck, and time may help.
      if (this.#allEnded() && [...this.#held.values()].some((lease) => !lease.tracker.empty)) {
        await sleep(this.#run.plan.clock, this.#run.plan.retry.initialDelayMs, this.#run.stopSignal);
      }
      complete = this.#allEnded() && [...this.#held.values()].every((lease) => !lease.discarded && lease.tracker.empty);
    }
  }

  #allEnded(): boolean {
    return this.#ending.size === 0 && [...this.#held.values()].every((lease) => lease.ended);
  }

  /** Gives up what is no longer in the set, then begins what is new in it. */
  async #follow(driver: SourceDriver, set: readonly string[]): Promise<void> {
    const leaving = [...this.#held.values()].filter((lease) => !set.includes(lease.partition));
    await Promise.all(leaving.map((lease) => this.#release(lease)));
    await Promise.all([...this.#ending.values()]);
    if (this.#run.stopping || this.#failure !== undefined) return;
    const joining = set.filter((partition) => this.#held.get(partition)?.lost !== false);
    if (joining.length > 0) await this.#begin(driver, joining);
  }

  async #begin(driver: SourceDriver, partitions: readonly string[]): Promise<void> {
    for (let begun = false; !begun && !this.#run.stopping && this.#failure === undefined; ) {
      begun = await this.#run.claim(this.plan, partitions, (stored) => {
        for (const partition of partitions) this.#beginLease(driver, partition, stored[`${this.plan.id}:${partition}`], undefined);
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
      else this.#run.inherit(this.#beginLease(driver, partition, stored[lease.key], undefined), lease);
    }
  }

  #beginLease(driver: SourceDriver, partition: string, stored: StoredPosition | undefined, start: 'earliest' | 'latest' | undefined): Lease {
    const lease = new Lease(this.plan, partition, driver);
    this.#held.set(partition, lease);
    this.#run.leases.add(lease);
    lease.reading = this.#read(lease, stored, start);
    return lease;
  }

  async #read(lease: Lease, stored: StoredPosition | undefined, start: 'earliest' | 'latest' | undefined): Promise<void> {
    try {
      const position = stored === undefined ? undefined : this.#checked(stored, lease);
      const finished = await this.#readAll(lease, position, start);
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

  /** Resolves to true when the partition has ended by itself. */
  async #readAll(lease: Lease, position: Position | undefined, start: 'earliest' | 'latest' | undefined): Promise<boolean> {
    const { budget } = this.#run;
    const { signal } = lease.stopReading;
    const iterator = lease.driver.read(lease.partition, position, this.#readOptions(signal, start))[Symbol.asyncIterator]();
    lease.iterator = iterator;
    for (let batches = 1; !signal.aborted; batches++) {
      if (budget.full) {
        this.#run.budgetFull();
        await budget.room();
        continue;
      }
      const result = await iterator.next();
      if (result.done === true) return !signal.aborted;
      if (lease.discarded) return false;
      if (this.#backoff.attempts > 0) {
        this.#backoff.reset();
        this.#run.recovered(this.plan.id);
      }
      const working = this.#run.receive(lease, checkedBatch(result.value));
      if (working !== undefined) await working;
      if (batches % batchesPerTurn === 0) await this.#run.plan.clock.yield();
    }
    return false;
  }

  #readOptions(signal: AbortSignal, start: 'earliest' | 'latest' | undefined): ReadOptions {
    const { budget, plan } = this.#run;
    const partitions = Math.max(1, this.#held.size);
    return {
      maxMessages: Math.max(1, Math.min(plan.batch.maxMessages ?? maxReadMessages, maxReadMessages, Math.floor(budget.maxMessages / partitions))),
      maxBytes: Math.max(1, Math.min(maxReadBytes, Math.floor(budget.maxBytes / partitions))),
      signal,
      ...(start === undefined ? {} : { start }),
    };
  }

  async #readFailed(lease: Lease, thrown: unknown): Promise<void> {
    if (lease.stopReading.signal.aborted || lease.discarded) return; // it was asked to end; how it does is its own affair
    const error = this.wrap(thrown, 'read', lease.partition);
    const { onPositionLost } = this.#run.plan;
    if (error.code === 'lease_lost' && lease.driver.partitions !== undefined) {
      lease.ended = true;
      void this.#lose(lease);
    } else if (error.code === 'position_lost' && onPositionLost !== undefined) {
      this.#run.notice(this.plan.id, `${error.message}; going on at the ${onPositionLost} position, as "onPositionLost" asks`);
      lease.ended = true;
      await this.#readElsewhere(lease, onPositionLost);
    } else this.#fail(error);
  }

  async #readElsewhere(lost: Lease, start: 'earliest' | 'latest'): Promise<void> {
    await this.#endIterator(lost);
    lost.discarded = true;
    this.#run.removeLease(lost);
    if (!this.#run.stopping) this.#beginLease(lost.driver, lost.partition, undefined, start);
  }

  /** @throws {ConnectorError} `position_lost` when the stored position belongs elsewhere */
  #checked(stored: StoredPosition, lease: Lease): Position {
    const { connector } = this.plan.source;
    const version = connector.source?.positionVersion ?? 1;
    const identity = lease.driver.identity ?? null;
    const advice = 'Give the pipeline another name, reset its position, or set "onPositionLost".';
    if (stored.connector !== connector.name) {
      throw new ConnectorError('position_lost', `the stored position is one of connector "${stored.connector}". ${advice}`);
    }
    if (stored.version !== version) {
      throw new ConnectorError('position_lost', `the stored position has version ${stored.version}, and this connector reads version ${version}. ${advice}`);
    }
    if (stored.identity !== identity) {
      throw new ConnectorError('position_lost', `the stored position belongs to "${stored.identity}", and this is "${identity}". ${advice}`);
    }
    return stored.position;
  }

  /** Gives a partition up in peace: what was read is written, flushed and committed first, within a limit. */
  async #release(lease: Lease): Promise<void> {
    const { clock, shutdownTimeoutMs } = this.#run.plan;
    lease.leaving = true;
    lease.stopReading.abort();
    this.#run.budget.wake();
    const drained = (async () => {
      await lease.reading;
      await this.#run.drained(lease);
      await this.#run.settle();
      await this.#committer.idle();
    })();
    if (!(await settles(clock, shutdownTimeoutMs, drained))) await this.#lose(lease);
    else await this.#endIterator(lease);
    this.#forget(lease);
  }

  /** Ends a lease of which nothing may be committed any more. */
  #lose(lease: Lease): Promise<void> {
    let ending = this.#ending.get(lease);
    if (ending === undefined) {
      ending = this.#loseNow(lease).finally(() => {
        this.#ending.delete(lease);
        this.#changed.notify();
      });
      this.#ending.set(lease, ending);
    }
    return ending;
  }

  async #loseNow(lease: Lease): Promise<void> {
    lease.lost = true;
    lease.stopReading.abort();
    this.#run.budget.wake();
    await this.#run.endWriting(lease);
    await this.#endIterator(lease);
    this.#forget(lease);
  }

  #forget(lease: Lease): void {
    lease.discarded = true;
    this.#run.removeLease(lease);
    if (this.#held.get(lease.partition) === lease) this.#held.delete(lease.partition);
  }

  async #endIterator(lease: Lease): Promise<void> {
    lease.over = true;
    const { clock } = this.#run.plan;
    const ended = (async () => {
      await lease.iterator?.return?.();
    })();
    if (await settles(clock, graceMs, ended)) return;
    if (!this.#run.stopping) this.#fail(new ConnectorError('timeout', 'a read did not end after it was aborted'));
  }

  /** Ends reading and iterators of all discarded leases, so that their partitions can be read again. */
  async endDiscarded(): Promise<void> {
    const { clock } = this.#run.plan;
    const discarded = [...this.#held.values()].filter((lease) => lease.discarded);
    await Promise.all(
      discarded.map(async (lease) => {
        await settles(clock, graceMs, lease.reading);
        await this.#endIterator(lease);
      }),
    );
  }

  commit(lease: Lease, position: Position): void {
    this.#committer.add(lease, position);
  }

  async #commitFailed(lease: Lease, thrown: unknown): Promise<'again' | 'over'> {
    if (lease.lost || lease.over) return 'over';
    const error = this.wrap(thrown, 'commit', lease.partition);
    if (error.code === 'lease_lost') {
      if (lease.driver.partitions === undefined) this.#fail(error);
      else void this.#lose(lease);
      return 'over';
    }
    if (error.code === 'not_connected') this.#fail(error);
    else if (error.outcome !== 'retryable') this.#run.fail(error, 'drop');
    else return this.#commitLater(error);
    return 'over';
  }

  async #commitLater(error: ConnectorError): Promise<'again' | 'over'> {
    const delayMs = this.#commitBackoff.next(error.retryAfterMs);
    if (!retriesForever(error) && this.#commitBackoff.attempts >= this.#run.plan.retry.maxAttempts) {
      this.#run.fail(givenUp(error, `gave up after ${this.#commitBackoff.attempts} attempts`), 'drop');
      return 'over';
    }
    if (this.#run.stopping) return 'over';
    this.#run.degraded(this.plan.id, error, this.#commitBackoff.attempts, delayMs);
    await sleep(this.#run.plan.clock, delayMs, this.#run.stopSignal);
    return 'again';
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
    await Promise.all([...this.#held.values()].map((lease) => this.#endIterator(lease)));
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

/** @throws {ConnectorError} `internal` when the driver breaks the contract in a way that would lose data */
function checkedBatch(batch: SourceBatch): SourceBatch {
  if (batch.position === undefined || !Array.isArray(batch.messages)) {
    throw new ConnectorError('internal', 'the connector gave a batch without messages or position');
  }
  return batch;
}
