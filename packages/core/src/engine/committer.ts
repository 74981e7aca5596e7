import type { Clock } from '../clock.js';
import { ConnectorError } from '../error.js';
import type { Position } from '../source-driver.js';
import { Condition } from './condition.js';
import type { Lease } from './lease.js';
import { settles } from './sleep.js';

/** What a committer does about a commit that failed; `again`: it is to be tried again after the wait. */
export type CommitFailed = (lease: Lease, error: unknown) => Promise<'again' | 'over'>;

/** Tells a source what is settled: one commit at a time, the newest position of each lease, none of a lease that was lost. */
export class Committer {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #onFailure: CommitFailed;
  readonly #pending = new Map<Lease, Position>();
  readonly #changed = new Condition();
  #working = false;

  constructor(clock: Clock, timeoutMs: number, onFailure: CommitFailed) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#onFailure = onFailure;
  }

  add(lease: Lease, position: Position): void {
    if (lease.driver.commit === undefined || lease.lost || lease.over) return;
    this.#pending.set(lease, position);
    if (!this.#working) void this.#work();
  }

  /** Resolves when nothing is left to commit. */
  idle(): Promise<void> {
    return this.#changed.until(() => !this.#working);
  }

  /** Forgets what was not begun. */
  clear(): void {
    this.#pending.clear();
  }

  async #work(): Promise<void> {
    this.#working = true;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const [lease, position] = next;
      this.#pending.delete(lease);
      if (lease.lost || lease.over) continue;
      try {
        await this.#commit(lease, position);
      } catch (error) {
        const verdict = await this.#onFailure(lease, error);
        if (verdict === 'again' && !lease.lost && !this.#pending.has(lease)) this.#pending.set(lease, position);
      }
    }
    this.#working = false;
    this.#changed.notify();
  }

  #next(): [Lease, Position] | undefined {
    const { value } = this.#pending.entries().next();
    return value;
  }

  async #commit(lease: Lease, position: Position): Promise<void> {
    const commit = lease.driver.commit?.(lease.partition, position);
    if (commit === undefined) return;
    if (!(await settles(this.#clock, this.#timeoutMs, commit))) {
      throw new ConnectorError('timeout', `no answer within ${this.#timeoutMs / 1000} s`);
    }
    await commit;
  }
}
