import { ConnectorError, withoutStop } from '../error.js';
import type { Checkpoint, StoredPosition } from '../sink-driver.js';
import type { Position, SourceDriver } from '../source-driver.js';
import { Committer } from './committer.js';
import { Lease } from './lease.js';
import { LeaseEndings } from './lease-endings.js';
import { errorWrapper, type WrapError } from './part-error.js';
import type { SourcePlan } from './plan.js';
import { checkedPosition, readLease } from './read-lease.js';
import type { Run } from './run.js';

/** What leases tell whoever opened their source. */
export interface LeaseEvents {
  /** A batch has come. */
  received(): void;
  /** One has ended, or is held no more. */
  changed(): void;
  /** A partition was lost without warning. */
  lost(error: ConnectorError): void;
  /** The driver is of no use any more. */
  broken(error: ConnectorError): void;
}

/** Where the reading of a partition begins. */
interface Beginning {
  readonly stored: StoredPosition | undefined;
  /** Where it begins when nothing is stored, if not where the source says. */
  readonly start: 'earliest' | 'latest' | undefined;
}

/** The leases that one source holds: begins and reads them, commits what is settled of them, and gives them up. */
export class HeldLeases {
  /** The set of partitions that was told last; all of them share the budget. */
  set: readonly string[] = [];
  readonly #run: Run;
  readonly #plan: SourcePlan;
  readonly #events: LeaseEvents;
  readonly #wrap: WrapError;
  readonly #committer: Committer;
  readonly #endings: LeaseEndings;
  /** The lease of every partition of the set, also when its reading has ended. */
  readonly #leases = new Map<string, Lease>();

  constructor(run: Run, plan: SourcePlan, events: LeaseEvents) {
    this.#run = run;
    this.#plan = plan;
    this.#events = events;
    this.#wrap = errorWrapper(plan.source);
    this.#committer = new Committer(run, plan.id, this.#wrap, {
      lost: (lease, error) => this.#lost(lease, error),
      broken: (error) => events.broken(error),
    });
    this.#endings = new LeaseEndings(run, {
      committed: () => this.#committer.idle(),
      broken: (error) => events.broken(error),
      forget: (lease) => {
        if (this.#leases.get(lease.partition) === lease) this.#leases.delete(lease.partition);
        events.changed();
      },
    });
  }

  get all(): readonly Lease[] {
    return [...this.#leases.values()];
  }

  /** Nothing more is read under any of them, and none is being ended. */
  get ended(): boolean {
    return this.#endings.underWay.length === 0 && this.all.every((lease) => lease.ended);
  }

  /** Partitions of the set that are to be begun: nothing holds them. */
  unheld(set: readonly string[]): string[] {
    return set.filter((partition) => this.#leases.get(partition)?.lost !== false);
  }

  begin(driver: SourceDriver, partition: string, beginning: Beginning): Lease {
    const { stored } = beginning;
    const lease = new Lease(this.#plan, partition, driver);
    this.#leases.set(partition, lease);
    this.#run.leases.add(lease);
    this.#run.stats.unread.resumed(lease.key, stored?.position);
    lease.reading = this.#read(lease, beginning);
    // The lease before may have ended between checkpoint and commit, and this one may have nothing to read.
    if (stored !== undefined && this.#run.settler.isDurable(lease, stored)) this.commit(lease, stored.position);
    return lease;
  }

  /** Begins discarded leases again. Called while nothing else can begin or end a lease. */
  beginAgain(driver: SourceDriver, stored: Checkpoint): void {
    for (const lease of this.all) {
      if (!lease.discarded) continue;
      if (lease.leaving || lease.lost) this.#leases.delete(lease.partition);
      else {
        const next = this.begin(driver, lease.partition, { stored: stored[lease.key], start: undefined });
        this.#run.settler.inherit(next, lease);
      }
    }
  }

  async #read(lease: Lease, { stored, start }: Beginning): Promise<void> {
    try {
      const position = stored === undefined ? undefined : checkedPosition(stored, lease);
      const finished = await readLease(this.#run, lease, {
        position,
        start,
        partitions: this.set.length,
        onBatch: this.#events.received,
      });
      if (finished && lease.driver.partitions === undefined && !this.#plan.source.capabilities.bounded) {
        throw new ConnectorError('not_connected', 'the source ended without being asked');
      }
      if (finished) this.#run.stats.unread.forget(lease.key);
    } catch (thrown) {
      await this.#readFailed(lease, thrown);
    }
    lease.ended = true;
    this.#events.changed();
    this.#run.readingEnded();
  }

  async #readFailed(lease: Lease, thrown: unknown): Promise<void> {
    const error = this.#wrap(thrown, 'read', lease.partition);
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
        this.#plan.id,
        `${withoutStop(error.message)}; going on at the ${onPositionLost} position, as "onPositionLost" asks`,
      );
      lease.ended = true;
      await this.#readElsewhere(lease, onPositionLost);
    } else this.#events.broken(error);
  }

  async #readElsewhere(lost: Lease, start: 'earliest' | 'latest'): Promise<void> {
    await this.#endings.endIterator(lost);
    lost.discarded = true;
    this.#run.removeLease(lost);
    if (this.#run.stopping) return;
    if (start === 'latest') this.#run.stats.unread.forget(lost.key);
    this.begin(lost.driver, lost.partition, { stored: undefined, start });
  }

  #lost(lease: Lease, error: ConnectorError): void {
    this.#events.lost(error);
    void this.#endings.lose(lease).then(() => this.#events.changed());
  }

  commit(lease: Lease, position: Position): void {
    this.#committer.add(lease, position);
  }

  /** Resolves when nothing is left to commit. */
  committed(): Promise<void> {
    return this.#committer.idle();
  }

  /** Forgets what was not committed; the driver is another one from here on. */
  clearCommits(): void {
    this.#committer.clear();
  }

  /** Gives up in peace what is not in a set, and waits for what is being ended because it was lost. */
  async giveUpOthers(set: readonly string[]): Promise<void> {
    const leaving = this.all.filter((lease) => !set.includes(lease.partition));
    await Promise.all(leaving.map((lease) => this.#endings.release(lease)));
    await Promise.all(this.#endings.underWay);
  }

  /** Ends all of them as lost. */
  async lose(): Promise<void> {
    await Promise.all(this.all.map((lease) => this.#endings.lose(lease)));
    this.#leases.clear();
  }

  /** Ends the reading of discarded ones, so that their partitions can be read again. */
  async endDiscarded(): Promise<void> {
    const discarded = this.all.filter((lease) => lease.discarded);
    await Promise.all(discarded.map((lease) => this.#endings.endReading(lease)));
  }

  /** Stops fetching; what was read stays on its way. */
  stopReading(): void {
    for (const lease of this.all) lease.stopReading.abort();
    this.#events.changed();
  }

  async endIterators(): Promise<void> {
    await Promise.all(this.all.map((lease) => this.#endings.endIterator(lease)));
  }
}
