import { ConnectorError } from '../error.js';
import type { Checkpoint, StoredPosition } from '../sink-driver.js';
import type { Finished } from './ack-tracker.js';
import type { CheckpointSaver } from './checkpoint-saver.js';
import { Mutex } from './condition.js';
import { type Lease, storedPosition } from './lease.js';
import type { Run } from './run.js';
import type { SinkWriter } from './sink-writer.js';

/**
 * Settles what is finished, in the one legal order: the sinks have it durably, then the checkpoint is durable, then the
 * source is told.
 */
export class Settler {
  /** Keeps the checkpoint, for sources whose position nobody else keeps. */
  saver: CheckpointSaver | undefined;
  readonly #run: Run;
  readonly #mutex = new Mutex();
  /** Leases with something durable that is not in the checkpoint yet; of two of one partition the older one first. */
  #moved = new Set<Lease>();
  #next: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;

  constructor(run: Run) {
    this.#run = run;
  }

  /** Runs a task while nothing settles, begins or ends. */
  exclusively<T>(task: () => Promise<T>): Promise<T> {
    return this.#mutex.run(task);
  }

  /** Something can be settled: it is at the next interval at the latest. */
  soon(): void {
    if (this.#cancelTimer !== undefined || this.#run.plan.settles === 'onRequest') return;
    this.#cancelTimer = this.#run.plan.clock.after(this.#run.plan.flush.intervalMs, () => {
      this.#cancelTimer = undefined;
      void this.settle();
    });
  }

  /** Settles all that is finished now. Calls share a cycle that has not yet taken what is finished. Never rejects. */
  settle(): Promise<void> {
    this.#next ??= this.#begin();
    return this.#next;
  }

  #begin(): Promise<void> {
    const onTake = (): void => {
      if (this.#next === begun) this.#next = undefined;
    };
    const begun = this.#mutex.run(() => this.cycle(onTake).finally(onTake));
    return begun;
  }

  /** Whether something durable is not in the checkpoint yet. */
  get unsaved(): boolean {
    return this.#moved.size > 0;
  }

  /** Durable messages that come again, because whoever keeps the position has not heard of them. */
  get untold(): number {
    let count = 0;
    for (const lease of new Set([...this.#run.leases, ...this.#moved])) count += lease.untold;
    return count;
  }

  stop(): void {
    this.#cancelTimer?.();
    this.saver?.stop();
  }

  /**
   * One flush and one checkpoint. Called alone or inside {@link exclusively}. Never rejects. Calls `onTake` when what finishes
   * from then on is left to the next one.
   */
  async cycle(onTake: () => void = () => undefined): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#run.restarter.active) return;
    // First what a store refused earlier: a sink may hang for long.
    const saved = await this.save({ once: true });
    const flushing = this.#run.writers.filter((writer) => writer.session.flushes);
    if (flushing.length > 0 && !(await this.#flush(flushing, onTake))) return;
    onTake();
    if (saved || this.#run.stopping) await this.save();
    else this.#commitKept();
  }

  /** Whether a sink needs flushes, so that what is written is not durable yet. */
  get flushes(): boolean {
    return this.#run.writers.some((writer) => writer.session.flushes);
  }

  /** All parts of some messages of the lease are finished. */
  finished(lease: Lease): void {
    if (this.flushes) {
      // They wait for a flush at most and are needed no more, unless only memory still has them.
      if (!lease.retained) this.#letGo(lease);
      this.written(lease);
      return;
    }
    this.#take(lease);
    if (lease.source.source.capabilities.window && this.#run.plan.settles === 'always') void this.settle();
    else this.soon();
  }

  /** Something was written: a flush is due at the interval, and at once when much waits or nothing more can come before it. */
  written(lease: Lease): void {
    if (!this.flushes) return;
    this.soon();
    const { maxMessages, maxBytes } = this.#run.plan.flush;
    const { writers, budget } = this.#run;
    const due = writers.some(
      ({ unflushed: { messages, bytes, retainedMessages } }) =>
        messages >= maxMessages || bytes >= maxBytes || retainedMessages >= budget.maxMessages / 2,
    );
    const stuck = budget.full || lease.source.source.capabilities.window;
    if (due || (stuck && writers.every((writer) => writer.idle()))) void this.settle();
  }

  /** Readers wait for room: what fills the budget may be written already and only need a flush. */
  budgetFull(): void {
    if (this.flushes && this.#run.writers.every((writer) => writer.idle())) void this.settle();
  }

  /** Takes the finished prefix of a lease as durable: at once where no sink needs a flush. */
  #take(lease: Lease): void {
    this.#letGo(lease);
    const finished = lease.tracker.take();
    if (finished !== undefined) this.#apply(lease, finished);
  }

  /** The messages of the finished prefix are needed in memory no more. */
  #letGo(lease: Lease): void {
    const messages = lease.tracker.advance();
    lease.held -= messages;
    this.#run.budget.release(messages, 0);
  }

  #apply(lease: Lease, finished: Finished): void {
    lease.unsettled.messages -= finished.count;
    lease.unsettled.bytes -= finished.bytes;
    this.#run.budget.release(0, finished.bytes);
    this.#run.stats.settled(lease.source, finished.count);
    lease.durable = finished.position;
    lease.readsAgain = false;
    if (lease.isTold) lease.durableMessages += finished.count;
    this.#moved.add(lease);
    if (lease.source.owner !== 'none') this.#run.stats.positions.set(lease.key, finished.position);
  }

  async #flush(writers: readonly SinkWriter[], onTake: () => void): Promise<boolean> {
    for (const writer of writers) writer.gate.pause();
    try {
      await this.#quiet(writers);
      if (this.#run.restarter.active || !this.#flushable(writers)) return false;
      onTake();
      const taken = this.#takeReplayable();
      const checkpoint: Record<string, StoredPosition> = {};
      for (const [lease, { position }] of taken) checkpoint[lease.key] = storedPosition(lease, position);
      const retained = writers.some((writer) => writer.unflushed.retainedMessages > 0);
      for (const writer of writers) {
        const atomic = writer.branch.sink.capabilities.atomic && taken.size > 0;
        if (writer.unflushed.messages === 0 && !atomic) continue;
        try {
          await writer.session.flush(checkpoint);
        } catch (error) {
          if (atomic) for (const [lease, finished] of taken) this.#run.stats.unread.doubt(lease.key, finished);
          this.#run.restarter.restart(writer, error as ConnectorError); // the session throws nothing else
          return false;
        }
        writer.flushed();
      }
      // A flush that brings nothing further of what is read again after a failure is no progress: the same would fail again.
      const isProgress = taken.size > 0 || (retained && ![...this.#run.leases].some((lease) => lease.readsAgain));
      if (isProgress) this.#run.restarter.flushSucceeded();
      for (const [lease, finished] of taken) this.#apply(lease, finished);
      for (const lease of this.#run.leases) if (lease.retained) this.#take(lease);
      return true;
    } finally {
      for (const writer of writers) writer.gate.resume();
    }
  }

  /**
   * Waits until no write is under way. An atomic sink makes all that it took over durable together with the checkpoint, so the
   * checkpoint must pass all of it, and every dead letter before it must be durable.
   */
  async #quiet(writers: readonly SinkWriter[]): Promise<void> {
    for (;;) {
      await Promise.all(writers.map((writer) => writer.quiet()));
      // Held before it is looked at again: a write may have begun while the last ones were heard of.
      for (const writer of writers) writer.gate.hold();
      if (writers.some((writer) => writer.inFlight > 0)) {
        for (const writer of writers) writer.gate.unhold();
        continue;
      }
      const waits = this.#run.deadLetters.filter((letters) => !letters.idle);
      const atomic = writers.some((writer) => writer.branch.sink.capabilities.atomic);
      if (waits.length === 0 || this.#run.restarter.active || !atomic) return;
      await Promise.all(waits.map((letters) => letters.changed.wait()));
      for (const writer of writers) writer.gate.unhold();
    }
  }

  /** Whether the sinks may be flushed. An atomic one that took a segment over in part has to forget it first. */
  #flushable(writers: readonly SinkWriter[]): boolean {
    // Nothing passes a dead letter that could not be stored, so neither may what an atomic sink has taken over behind it.
    const atomic = writers.some((writer) => writer.branch.sink.capabilities.atomic);
    if (atomic && this.#run.deadLetters.some((letters) => letters.failed)) return false;
    const unusable = writers.find((writer) => !writer.complete || writer.session.broken);
    if (unusable === undefined) return true;
    const reason = unusable.session.broken
      ? 'the connection is lost'
      : 'a partition was lost while its messages were being written';
    if (!this.#run.stopping)
      this.#run.restarter.restart(
        unusable,
        new ConnectorError(unusable.session.broken ? 'not_connected' : 'lease_lost', reason),
      );
    return false;
  }

  #takeReplayable(): Map<Lease, Finished> {
    const taken = new Map<Lease, Finished>();
    for (const lease of this.#run.leases) {
      if (lease.retained || lease.discarded) continue;
      this.#letGo(lease);
      const finished = lease.tracker.take();
      if (finished !== undefined) taken.set(lease, finished);
    }
    return taken;
  }

  /**
   * The checkpoint, then the commits. Resolves to false when the store refused it; it is tried again at the interval. At shutdown
   * there is none, so it is tried until it succeeds, unless asked to be `once`.
   */
  async save({ once = false }: { readonly once?: boolean } = {}): Promise<boolean> {
    this.#commitKept();
    const stored = [...this.#moved].flatMap((lease) =>
      lease.durable === undefined ? [] : [{ lease, position: lease.durable }],
    );
    this.#moved.clear();
    if (stored.length === 0) return true;
    const positions: Record<string, StoredPosition> = {};
    for (const { lease, position } of stored) positions[lease.key] = storedPosition(lease, position);
    const counts = stored.map(({ lease }) => lease.durableMessages);
    if ((await this.saver?.add(positions, { once })) === true) {
      for (const [index, { lease, position }] of stored.entries()) {
        lease.toldMessages = counts[index] ?? 0;
        this.#run.commit(lease, position);
      }
      return true;
    }
    // Before what has moved meanwhile: a newer lease of the same partition has come further.
    this.#moved = new Set([...stored.map(({ lease }) => lease), ...this.#moved]);
    if (!this.#run.stopping) this.soon();
    return false;
  }

  /** The commits that need no checkpoint, because somebody else keeps the position: a store that fails holds none of them up. */
  #commitKept(): void {
    for (const lease of this.#moved) {
      if (lease.source.owner === 'store') continue;
      this.#moved.delete(lease);
      if (lease.durable !== undefined) this.#run.commit(lease, lease.durable);
    }
  }

  /** Lets a new lease of the same partition know how far an older one had come. What it had not committed is lost with it. */
  inherit(lease: Lease, older: Lease): void {
    lease.readsAgain = older.readsAgain;
    const { position, replayable } = lease.source.source.capabilities;
    // A queue's positions mean something to one lease only.
    if (older.durable === undefined || (position === 'source' && !replayable)) return;
    lease.durable = older.durable;
  }

  /** Whether a position is kept where it outlives this process. */
  isDurable({ source, key }: Lease, stored: StoredPosition): boolean {
    return source.owner === 'sink' || this.saver?.stored[key] === stored;
  }

  /** How far every partition is settled, saved or not: where it goes on while the process lives. */
  positions(): Checkpoint {
    const positions: Record<string, StoredPosition> = { ...this.saver?.stored };
    for (const lease of [...this.#run.leases, ...this.#moved]) {
      if (lease.durable !== undefined) positions[lease.key] = storedPosition(lease, lease.durable);
    }
    return positions;
  }
}
