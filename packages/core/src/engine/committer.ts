import { ConnectorError } from '../error.js';
import type { Position } from '../source-driver.js';
import { Backoff } from './backoff.js';
import { Condition } from './condition.js';
import type { Lease } from './lease.js';
import { givenUp, retriesForever, type WrapError } from './part-error.js';
import type { Run } from './run.js';
import { settles, sleep } from './sleep.js';

/** What a committer cannot mend itself. */
export interface CommitEvents {
  /** The lease belongs to somebody else. */
  lost(lease: Lease, error: ConnectorError): void;
  /** The driver is of no use any more: it has lost its connection, or a commit hangs and a second one must not overlap it. */
  broken(error: ConnectorError): void;
}

interface PendingCommit {
  readonly position: Position;
  /** How many of the lease the position passes. */
  readonly durableMessages: number;
}

/** Tells a source what is settled: one commit at a time, the newest position of each lease, none of a lease that is over. */
export class Committer {
  readonly #run: Run;
  readonly #part: string;
  readonly #wrap: WrapError;
  readonly #events: CommitEvents;
  readonly #backoff: Backoff;
  readonly #pending = new Map<Lease, PendingCommit>();
  readonly #changed = new Condition();
  #working = false;
  /** Nothing is committed any more before {@link clear}: the last commit may still take effect. */
  #broken = false;

  constructor(run: Run, part: string, wrap: WrapError, events: CommitEvents) {
    this.#run = run;
    this.#part = part;
    this.#wrap = wrap;
    this.#events = events;
    this.#backoff = new Backoff(run.plan.retry);
  }

  add(lease: Lease, position: Position): void {
    if (this.#broken || lease.driver.commit === undefined || lease.lost || lease.over) return;
    this.#pending.set(lease, { position, durableMessages: lease.durableMessages });
    if (!this.#working) void this.#work();
  }

  /** Resolves when nothing is left to commit. */
  idle(): Promise<void> {
    return this.#changed.until(() => !this.#working);
  }

  /** Forgets what was not begun; the driver is another one from here on. */
  clear(): void {
    this.#pending.clear();
    this.#broken = false;
  }

  async #work(): Promise<void> {
    this.#working = true;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const [lease, pending] = next;
      this.#pending.delete(lease);
      if (lease.lost || lease.over) continue;
      try {
        await this.#commit(lease, pending.position);
        if (lease.source.owner === 'source') lease.toldMessages = pending.durableMessages;
        this.#backoff.reset();
      } catch (thrown) {
        const error = this.#wrap(thrown, 'commit', lease.partition);
        // One that hangs may still happen: nothing may be committed beside it, whatever has become of its lease.
        if (error.code !== 'timeout' && (lease.lost || lease.over)) continue;
        const again = await this.#failed(lease, error);
        if (again && !lease.lost && !this.#pending.has(lease)) this.#pending.set(lease, pending);
      }
    }
    this.#working = false;
    this.#changed.notify();
  }

  #next(): [Lease, PendingCommit] | undefined {
    return this.#pending.entries().next().value;
  }

  async #commit(lease: Lease, position: Position): Promise<void> {
    const { clock, timeoutMs } = this.#run.plan;
    const commit = lease.driver.commit?.(lease.partition, position);
    if (commit === undefined) return;
    if (!(await settles(clock, timeoutMs, commit)))
      throw new ConnectorError('timeout', `no answer within ${timeoutMs / 1000} s`);
    await commit;
  }

  /** Resolves to true when the commit is to be tried again. */
  async #failed(lease: Lease, error: ConnectorError): Promise<boolean> {
    lease.commitFailure = error;
    if (error.code === 'lease_lost') this.#events.lost(lease, error);
    else if (error.code === 'not_connected' || error.code === 'timeout') this.#break(error);
    else if (error.outcome !== 'retryable') this.#run.fail(error, 'drop');
    else return this.#waitToRetry(error);
    return false;
  }

  #break(error: ConnectorError): void {
    this.#broken = true;
    this.#pending.clear();
    this.#events.broken(error);
  }

  async #waitToRetry(error: ConnectorError): Promise<boolean> {
    const delayMs = this.#backoff.next(error.retryAfterMs);
    if (!retriesForever(error) && this.#backoff.attempts >= this.#run.plan.retry.maxAttempts) {
      this.#run.fail(givenUp(error, `gave up after ${this.#backoff.attempts} attempts`), 'drop');
      return false;
    }
    if (this.#run.stopping) return false;
    this.#run.degraded(this.#part, error, this.#backoff.attempts, delayMs);
    await sleep(this.#run.plan.clock, delayMs, this.#run.stopSignal);
    return true;
  }
}
