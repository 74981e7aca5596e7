import type { DriverContext } from '../connector.js';
import { ConnectorError, isConnectorError } from '../error.js';
import type { PipelineStats } from '../pipeline-definition.js';
import type { Sink } from '../sink.js';
import type { Checkpoint } from '../sink-driver.js';
import type { Position, SourceBatch } from '../source-driver.js';
import { Budget } from './budget.js';
import { CheckpointSaver } from './checkpoint-saver.js';
import { claimCheckpoint } from './claim-checkpoint.js';
import { Condition } from './condition.js';
import type { DeadLetterWriter } from './dead-letter-writer.js';
import { DeadLetters } from './dead-letters.js';
import type { EventBody, Hub, InvalidMessage } from './hub.js';
import type { Lease, Segment } from './lease.js';
import type { Plan, SourcePlan } from './plan.js';
import { receive } from './receive.js';
import { Restarter } from './restarter.js';
import { RunStats } from './run-stats.js';
import { Settler } from './settler.js';
import { type SessionEvents, SinkSession } from './sink-session.js';
import { SinkWriter } from './sink-writer.js';
import { settles, sleep } from './sleep.js';
import { SourceRunner } from './source-runner.js';

/** How long closing may take after draining took its whole time: a container is killed 5 s after that. */
const closeMs = 4000;

/** How long a read may take to end after it was aborted, before it counts as hung. */
const hungMs = 1500;

/** One run of a pipeline, from opening its sinks to closing everything. */
export class Run implements Hub {
  readonly plan: Plan;
  readonly budget: Budget;
  readonly stats: RunStats;
  readonly leases: Set<Lease> = new Set();
  readonly writers: readonly SinkWriter[];
  readonly deadLetters: readonly DeadLetterWriter[];
  readonly #runners: readonly SourceRunner[];
  readonly settler: Settler;
  readonly restarter: Restarter;
  readonly #invalid: DeadLetters;
  readonly #stop = new AbortController();
  /** Notified when a lease ends, a message settles, or the run is to end. */
  readonly changed: Condition = new Condition();
  readonly #degradedParts = new Set<string>();
  #failure: ConnectorError | undefined;
  /** What the run asked to end it with: queued messages are still written, or left for the next run. */
  #ending: 'drain' | 'drop' | undefined;
  #closing = false;
  #drainedInTime = true;
  /** Sources that were not open yet. */
  #unopened: number;

  constructor(plan: Plan) {
    this.plan = plan;
    this.budget = new Budget(plan.budget);
    this.stats = new RunStats(plan.name, this.budget);
    this.settler = new Settler(this);
    this.writers = plan.branches.map((branch) => new SinkWriter(this, branch, this.#session(branch.sink, branch.id)));
    this.#invalid = new DeadLetters(this, (sink, part) => this.#session(sink, part));
    this.deadLetters = this.#invalid.writers;
    this.restarter = new Restarter(this, this.settler);
    this.#unopened = plan.sources.length;
    this.#runners = plan.sources.map((source) => new SourceRunner(this, source));
  }

  #session(sink: Sink, part: string): SinkSession {
    const plan = { ...this.plan, timeoutMs: this.plan.writeTimeoutMs };
    const events: SessionEvents = { retrying: (...failure) => this.degraded(part, ...failure) };
    return new SinkSession(sink, plan, this.driverContext(part, sink.connector.name), events, this.#stop.signal);
  }

  get stopping(): boolean {
    return this.#ending !== undefined;
  }

  get stopSignal(): AbortSignal {
    return this.#stop.signal;
  }

  driverContext(part: string, connector: string): Omit<DriverContext, 'signal'> {
    return {
      pipeline: this.plan.name,
      id: part,
      metrics: this.stats.driverMetrics(part, connector),
      notice: (text) => this.notice(part, text),
    };
  }

  /** Runs until the sources end, the signal is aborted, or something fails for good. */
  async execute(signal: AbortSignal | undefined): Promise<PipelineStats> {
    const onAbort = (): void => this.#end('drain');
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort);
    try {
      await this.#open();
      if (!this.stopping) {
        const reading = Promise.all(this.#runners.map((runner) => runner.run())).then(() => this.#end('drain'));
        await this.changed.until(() => this.stopping);
        await this.#drain(reading);
      }
    } catch (error) {
      this.fail(
        isConnectorError(error) ? error : new ConnectorError('internal', String(error), { cause: error }),
        'drop',
      );
    } finally {
      signal?.removeEventListener('abort', onAbort);
      await this.#close();
    }
    const summary = this.stats.snapshot();
    this.emit({ type: 'stopped', summary, error: this.#failure });
    if (this.#failure !== undefined) throw this.#failure;
    return summary;
  }

  async #open(): Promise<void> {
    try {
      const claim = await claimCheckpoint(this);
      if (claim !== undefined) this.settler.saver = new CheckpointSaver(this, claim);
      await Promise.all([
        ...this.writers.map((writer) => writer.session.open()),
        ...this.deadLetters.map((letters) => letters.open()),
      ]);
    } catch (error) {
      if (!this.stopping) throw error;
    }
  }

  /** A source is open for the first time. With the last one the pipeline has started. */
  opened(): void {
    this.#unopened--;
    if (this.#unopened === 0) this.emit({ type: 'started' });
  }

  /** Ends the run; the first call decides how, but a failure can still cut draining short. */
  #end(how: 'drain' | 'drop'): void {
    if (this.#ending === undefined || how === 'drop') this.#ending = how;
    this.#stop.abort();
    this.changed.notify();
  }

  fail(error: ConnectorError, queued: 'drain' | 'drop'): void {
    if (this.#closing) return; // closing aborts what is under way, and that it fails is no news
    this.#failure ??= error;
    this.#end(queued);
    if (queued === 'drain') return;
    for (const writer of this.writers) {
      writer.halted = true;
      for (const lease of this.leases) writer.drop(lease);
    }
  }

  async #drain(reading: Promise<void>): Promise<void> {
    const { clock, shutdownTimeoutMs } = this.plan;
    for (const runner of this.#runners) runner.stopReading();
    this.budget.wake();
    for (const writer of this.writers) writer.hurry();
    const drained = (async () => {
      await reading;
      await Promise.all([...this.leases].map((lease) => lease.reading));
      for (const writer of this.writers)
        await writer.changed.until(() => writer.idle() || (writer.halted && writer.inFlight === 0));
      for (const letters of this.deadLetters) await letters.changed.until(() => letters.idle);
      if (this.plan.settles === 'always') await this.settler.settle();
      await Promise.all(this.#runners.map((runner) => runner.committed()));
    })();
    this.#drainedInTime = await settles(clock, shutdownTimeoutMs, drained);
  }

  async #close(): Promise<void> {
    this.#end(this.#ending ?? 'drop');
    this.#closing = true;
    this.settler.stop();
    for (const lease of this.leases) lease.lost = true;
    const closed = this.#closeAll();
    await (this.#drainedInTime ? closed : settles(this.plan.clock, closeMs, closed));
    this.stats.end(this.settler.untold);
    this.#failure ??= this.settler.saver?.failure;
  }

  async #closeAll(): Promise<void> {
    await Promise.all(this.#runners.map((runner) => runner.close()));
    await Promise.all([...this.writers, ...this.deadLetters].map(({ session }) => session.close()));
    await this.settler.saver?.release();
  }

  receive(lease: Lease, batch: SourceBatch): void | Promise<void> {
    return receive(this, this.writers, lease, batch);
  }

  urgent(): boolean {
    if (this.stopping || this.budget.full) return true;
    let reading = false;
    for (const lease of this.leases) {
      if (lease.leaving) return true;
      if (!lease.ended) reading = true;
    }
    return !reading;
  }

  finished(segment: Segment): void {
    this.changed.notify();
    this.settler.finished(segment.lease);
  }

  readingEnded(): void {
    for (const writer of this.writers) writer.pump();
    this.changed.notify();
  }

  invalid(message: InvalidMessage): void {
    this.#invalid.add(message);
  }

  /** Resolves when nothing of a lease waits or is under way. */
  async drained(lease: Lease): Promise<void> {
    for (const writer of this.writers) {
      writer.pump();
      await writer.changed.until(() => writer.idle(lease) || lease.discarded || writer.halted);
    }
    await this.changed.until(() => lease.discarded || lease.tracker.finished || this.stopping);
  }

  /** Settles what is finished and waits until the outside system and the store have it. */
  async settleAndCommit(): Promise<void> {
    await this.settler.settle();
    while (this.settler.unsaved && !this.stopping) {
      await sleep(this.plan.clock, this.plan.retry.initialDelayMs, this.stopSignal);
      await this.settler.settle();
    }
    await Promise.all(this.#runners.map((runner) => runner.committed()));
    if (this.#failure !== undefined) throw this.#failure;
  }

  commit(lease: Lease, position: Position): void {
    this.#runners.find((runner) => runner.plan === lease.source)?.commit(lease, position);
  }

  /** Ends what a lost lease has under way: queued messages are dropped, writes settle, and what the sinks took over is flushed. */
  async endWriting(lease: Lease): Promise<void> {
    for (const writer of this.writers) writer.giveUp(lease);
    await settles(this.plan.clock, hungMs, lease.reading);
    for (const writer of this.writers) await writer.finish(lease);
    if (this.settler.flushes && !lease.discarded) await this.settler.settle();
  }

  removeLease(lease: Lease): void {
    for (const writer of this.writers) writer.drop(lease);
    // The store can be told later, while the run goes on.
    if (this.stopping || lease.source.owner === 'source') this.stats.unread.untold(lease.key, lease.untold);
    this.discharge(lease);
    this.leases.delete(lease);
    this.stats.leaseEnded(lease);
    this.changed.notify();
  }

  /** What was received of a lease is held no more. It comes again; but what nobody can read again is lost, unless the run ends. */
  discharge(lease: Lease): void {
    const { unsettled } = lease;
    if (this.stopping || !lease.retained) this.stats.unread.discarded(lease.key, unsettled.messages);
    this.budget.release(lease.held, unsettled.bytes);
    this.stats.settled(lease.source, unsettled.messages);
    lease.held = 0;
    unsettled.messages = 0;
    unsettled.bytes = 0;
  }

  /** Tells the sources what is settled and ends the reading of discarded leases. */
  async endDiscarded(): Promise<void> {
    await Promise.all(this.#runners.map((runner) => runner.committed()));
    await Promise.all(this.#runners.map((runner) => runner.endDiscarded()));
  }

  /** Reads the partitions of discarded leases again. */
  beginAgain(resumeAt: (source: SourcePlan) => Checkpoint): void {
    for (const runner of this.#runners) runner.beginAgain(resumeAt(runner.plan));
    for (const lease of [...this.leases]) if (lease.discarded) this.removeLease(lease);
  }

  degraded(part: string, error: ConnectorError, attempt: number, delayMs: number): void {
    this.#degradedParts.add(part);
    this.emit({ type: 'degraded', part, error, attempt, delayMs });
  }

  recovered(part: string): void {
    if (this.#degradedParts.delete(part)) this.emit({ type: 'recovered', part });
  }

  notice(part: string, text: string): void {
    this.emit({ type: 'notice', part, text });
  }

  emit(event: EventBody): void {
    this.plan.emit({ ...event, at: this.plan.clock.now(), pipeline: this.plan.name });
  }
}
