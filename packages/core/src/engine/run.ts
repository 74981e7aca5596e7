import type { DriverContext } from '../connector.js';
import { ConnectorError, isConnectorError } from '../error.js';
import type { PipelineStats } from '../pipeline-definition.js';
import type { Checkpoint } from '../sink-driver.js';
import type { Position, SourceBatch } from '../source-driver.js';
import { Backoff } from './backoff.js';
import { Budget } from './budget.js';
import { Condition } from './condition.js';
import { DeadLetterThreshold, deadLetterOf } from './dead-letter.js';
import { DeadLetterWriter } from './dead-letter-writer.js';
import { finishPart, type Hub, type InvalidMessage } from './hub.js';
import type { Lease, Segment } from './lease.js';
import { givenUp, retriesForever } from './part-error.js';
import type { DeadLetterPlan, Plan, SourcePlan } from './plan.js';
import { receive } from './receive.js';
import { RunStats } from './run-stats.js';
import { Settler } from './settler.js';
import { SinkSession } from './sink-session.js';
import { SinkWriter } from './sink-writer.js';
import { settles, sleep } from './sleep.js';
import { SourceRunner } from './source-runner.js';

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
  restarting = false;
  readonly #runners: readonly SourceRunner[];
  readonly #settler: Settler;
  readonly #stop = new AbortController();
  readonly #changed = new Condition();
  readonly #flushBackoff: Backoff;
  readonly #saveBackoff: Backoff;
  readonly #letters = new Map<DeadLetterPlan, { readonly writer: DeadLetterWriter; readonly threshold: DeadLetterThreshold }>();
  readonly #degradedParts = new Set<string>();
  #failure: ConnectorError | undefined;
  /** What the run asked to end it with: queued messages are still written, or left for the next run. */
  #ending: 'drain' | 'drop' | undefined;
  /** Messages of discarded leases that are not read again yet. */
  #unread = 0;

  constructor(plan: Plan) {
    this.plan = plan;
    this.budget = new Budget(plan.budget);
    this.stats = new RunStats(plan.name, this.budget);
    this.#settler = new Settler(this);
    this.#flushBackoff = new Backoff(plan.retry);
    this.#saveBackoff = new Backoff(plan.retry);
    this.writers = plan.branches.map((branch) => new SinkWriter(this, branch, this.#session(branch.sink, branch.id)));
    this.deadLetters = this.#openDeadLetters();
    this.#runners = plan.sources.map((source) => new SourceRunner(this, source));
  }

  #session(sink: SinkWriter['branch']['sink'], part: string): SinkSession {
    const events = {
      retrying: (error: ConnectorError, attempt: number, delayMs: number): void => this.degraded(part, error, attempt, delayMs),
    };
    return new SinkSession(sink, this.plan, this.driverContext(part, sink.connector.name), events, this.#stop.signal);
  }

  #openDeadLetters(): readonly DeadLetterWriter[] {
    const plans = new Set([this.plan.deadLetter, ...this.plan.branches.map((branch) => branch.deadLetter)]);
    for (const plan of plans) {
      if (plan === undefined) continue;
      const part = `deadLetter${this.#letters.size === 0 ? '' : this.#letters.size + 1}`;
      const writer = new DeadLetterWriter(this, plan, part, this.#session(plan.sink, part));
      this.#letters.set(plan, { writer, threshold: new DeadLetterThreshold(plan.maxRatio, plan.window) });
    }
    return [...this.#letters.values()].map(({ writer }) => writer);
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
        this.#emit({ type: 'started' });
        const reading = Promise.all(this.#runners.map((runner) => runner.run())).then(() => this.#end('drain'));
        await this.#changed.until(() => this.stopping);
        await this.#drain(reading);
      }
    } catch (error) {
      this.fail(isConnectorError(error) ? error : new ConnectorError('internal', String(error), { cause: error }), 'drop');
    } finally {
      signal?.removeEventListener('abort', onAbort);
      await this.#close();
    }
    const summary = this.stats.snapshot();
    this.#emit({ type: 'stopped', summary, error: this.#failure });
    if (this.#failure !== undefined) throw this.#failure;
    return summary;
  }

  async #open(): Promise<void> {
    const { store } = this.plan;
    if (store !== undefined) this.#settler.begin(await store.claim(this.plan.name));
    try {
      await Promise.all([...this.writers.map((writer) => writer.session.open()), ...this.deadLetters.map((letters) => letters.open())]);
    } catch (error) {
      if (!this.stopping) throw error;
    }
  }

  /** Ends the run; the first call decides how, but a failure can still cut draining short. */
  #end(how: 'drain' | 'drop'): void {
    if (this.#ending === undefined || how === 'drop') this.#ending = how;
    this.#stop.abort();
    this.#changed.notify();
  }

  fail(error: ConnectorError, queued: 'drain' | 'drop'): void {
    this.#failure ??= error;
    this.#end(queued);
    if (queued === 'drop') for (const lease of this.leases) for (const writer of this.writers) writer.drop(lease);
  }

  async #drain(reading: Promise<void>): Promise<void> {
    const { clock, shutdownTimeoutMs } = this.plan;
    for (const runner of this.#runners) runner.stopReading();
    this.budget.wake();
    for (const writer of this.writers) writer.hurry();
    const drained = (async () => {
      await reading;
      await Promise.all([...this.leases].map((lease) => lease.reading));
      for (const writer of this.writers) await writer.changed.until(() => writer.idle() || (writer.halted && writer.inFlight === 0));
      for (const letters of this.deadLetters) await letters.changed.until(() => letters.idle);
      if (this.plan.settles === 'always') await this.settle();
      await Promise.all(this.#runners.map((runner) => runner.committed()));
    })();
    await settles(clock, shutdownTimeoutMs, drained);
  }

  async #close(): Promise<void> {
    this.#end(this.#ending ?? 'drop');
    this.#settler.stop();
    for (const lease of this.leases) lease.lost = true;
    await Promise.all(this.#runners.map((runner) => runner.close()));
    await Promise.all([...this.writers, ...this.deadLetters].map(({ session }) => session.close()));
    this.stats.unsettled = this.budget.messages + this.#unread;
    await settles(this.plan.clock, 5000, this.#settler.release());
  }

  receive(lease: Lease, batch: SourceBatch): void | Promise<void> {
    return receive(this, this.writers, lease, batch);
  }

  sawSourceMessages(count: number): void {
    for (const { threshold } of this.#letters.values()) threshold.saw(count);
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

  get #flushes(): boolean {
    return this.writers.some((writer) => writer.session.flushes);
  }

  finished(segment: Segment): void {
    const { lease } = segment;
    this.#changed.notify();
    if (this.#flushes) {
      this.#flushIfDue(lease);
      return;
    }
    this.#settler.take(lease);
    if (lease.source.source.capabilities.window && this.plan.settles === 'always') void this.settle();
    else this.#settler.soon();
  }

  written(lease: Lease): void {
    if (this.#flushes) this.#flushIfDue(lease);
  }

  /** A flush is due at the latest at the interval, and at once when more than its share waits or nothing more can come. */
  #flushIfDue(lease: Lease): void {
    this.#settler.soon();
    const { maxMessages, maxBytes } = this.plan.flush;
    const due = this.writers.some((writer) => writer.unflushedMessages >= maxMessages || writer.unflushedBytes >= maxBytes);
    const stuck = this.budget.full || lease.source.source.capabilities.window;
    if (due || (stuck && this.writers.every((writer) => writer.idle()))) void this.settle();
  }

  /** Readers wait for room: what fills the budget may be written already and only need a flush. */
  budgetFull(): void {
    if (this.#flushes && this.writers.every((writer) => writer.idle())) void this.settle();
  }

  readingEnded(): void {
    for (const writer of this.writers) writer.pump();
    this.#changed.notify();
  }

  invalid(message: InvalidMessage): void {
    const { segment, index, error, branch } = message;
    const part = branch?.id ?? segment.lease.source.id;
    const plan = branch?.deadLetter ?? this.plan.deadLetter;
    const letters = plan === undefined ? undefined : this.#letters.get(plan);
    if (this.plan.onInvalid === 'drop' || letters === undefined) {
      if (this.plan.onInvalid === 'drop') {
        this.stats.gaveUp(part, 1, true);
        this.#emit({ type: 'deadLetter', part, count: 1, dropped: true, error });
      } else this.#stopAtInvalid(message);
      return;
    }
    if (segment.deadLettered.has(index)) return;
    segment.deadLettered.add(index);
    segment.pending++;
    letters.writer.add(deadLetterOf(message, this.plan.name, this.plan.clock.now()), () => {
      this.stats.gaveUp(part, 1, false);
      this.#emit({ type: 'deadLetter', part, count: 1, dropped: false, error });
      finishPart(this, segment);
    });
    const reason = letters.threshold.add(error);
    if (reason === undefined || this.stopping) return;
    const { maxRatio, window } = letters.writer.plan;
    const text = `more than ${maxRatio * 100} % of the latest ${window} messages are invalid, most often because: ${reason}. Mend the cause, or raise deadLetter.maxRatio.`;
    this.fail(new ConnectorError(error.code, text, { cause: error }), 'drop');
  }

  /** The sink refused a message and there are no dead letters: the checkpoint stays just before it. */
  #stopAtInvalid({ segment, index, error, branch }: InvalidMessage): void {
    const { lease, batch } = segment;
    const atomic = branch?.sink.capabilities.atomic === true;
    const position = index > segment.from && !atomic && segment.pending === 1 ? batch.positionAt?.(index - 1) : undefined;
    if (position !== undefined) {
      const count = index - segment.from;
      lease.tracker.insertBefore(segment, { ...segment, count, bytes: 0, position, pending: 0 });
      segment.from = index;
      segment.count -= count;
    }
    segment.pending++; // never finished
    this.fail(error, 'drop');
  }

  /** Resolves when nothing of a lease waits or is under way. */
  async drained(lease: Lease): Promise<void> {
    for (const writer of this.writers) {
      writer.pump();
      await writer.changed.until(() => writer.idle(lease) || lease.discarded || writer.halted);
    }
    await this.#changed.until(() => lease.discarded || lease.tracker.finished || this.stopping);
  }

  settle(): Promise<void> {
    return this.#settler.settle();
  }

  /** Settles what is finished and waits until the outside system and the store have it. */
  async settleAndCommit(): Promise<void> {
    await this.settle();
    while (this.#settler.unsaved && !this.stopping) {
      await sleep(this.plan.clock, this.plan.retry.initialDelayMs, this.stopSignal);
      await this.settle();
    }
    await Promise.all(this.#runners.map((runner) => runner.committed()));
    if (this.#failure !== undefined) throw this.#failure;
  }

  commit(lease: Lease, position: Position): void {
    this.#runnerOf(lease.source)?.commit(lease, position);
  }

  #runnerOf(source: SourcePlan): SourceRunner | undefined {
    return this.#runners.find((runner) => runner.plan === source);
  }

  /** Ends what a lost lease has under way: queued messages are dropped, writes settle, and what the sinks took over is flushed. */
  async endWriting(lease: Lease): Promise<void> {
    for (const writer of this.writers) writer.drop(lease, 'begun');
    await settles(this.plan.clock, hungMs, lease.reading);
    for (const writer of this.writers) await writer.finish(lease);
    if (this.#flushes && !lease.discarded) await this.settle();
  }

  inherit(lease: Lease, older: Lease): void {
    this.#settler.inherit(lease, older);
  }

  removeLease(lease: Lease): void {
    for (const writer of this.writers) writer.drop(lease);
    this.#discharge(lease);
    this.leases.delete(lease);
    this.#changed.notify();
  }

  #discharge(lease: Lease): void {
    this.budget.release(lease.charged.messages, lease.charged.bytes);
    this.stats.settled(lease.source.id, lease.charged.messages);
    if (this.stopping) this.#unread += lease.charged.messages;
    lease.charged.messages = 0;
    lease.charged.bytes = 0;
  }

  /**
   * Claims partitions and begins their leases; false when a failing sink came between. What the sinks have taken over is flushed first, because a claim forgets what
   * is not.
   */
  claim(source: SourcePlan, partitions: readonly string[], begin: (stored: Checkpoint) => void): Promise<boolean> {
    return this.#settler.exclusively(async () => {
      const keys = partitions.map((partition) => `${source.id}:${partition}`);
      const atomic = this.writers.filter((writer) => writer.branch.sink.capabilities.atomic);
      let stored: Checkpoint = source.owner === 'store' ? this.#settler.stored : {};
      if (atomic.length > 0) {
        await this.#settler.cycle();
        for (const writer of this.writers) writer.pause();
        try {
          const claimed = await this.#claimUntilDone(atomic, keys);
          if (source.owner === 'sink') stored = claimed;
        } finally {
          for (const writer of this.writers) writer.resume();
        }
      }
      if (this.stopping || this.restarting) return false;
      begin(stored);
      return true;
    });
  }

  async #claimUntilDone(writers: readonly SinkWriter[], keys: readonly string[]): Promise<Checkpoint> {
    let stored: Checkpoint = {};
    for (const writer of writers) {
      const backoff = new Backoff(this.plan.retry);
      for (let done = false; !done && !this.#stop.signal.aborted; ) {
        try {
          if (writer.session.broken) await writer.session.reopen();
          stored = { ...stored, ...(await writer.session.claim(keys)) };
          done = true;
          if (backoff.attempts > 0) this.recovered(writer.branch.id);
        } catch (error) {
          if (!(await this.#waitToRetry(writer.branch.id, error as ConnectorError, backoff))) return stored; // the session throws nothing else
        }
      }
    }
    return stored;
  }

  async #waitToRetry(part: string, error: ConnectorError, backoff: Backoff): Promise<boolean> {
    const delayMs = backoff.next(error.retryAfterMs);
    const exhausted = !retriesForever(error) && backoff.attempts >= this.plan.retry.maxAttempts;
    if (error.outcome !== 'retryable' || exhausted) {
      this.fail(exhausted ? givenUp(error, `gave up after ${backoff.attempts} attempts`) : error, 'drop');
      return false;
    }
    if (this.stopping) return false;
    this.degraded(part, error, backoff.attempts, delayMs);
    await sleep(this.plan.clock, delayMs, this.stopSignal);
    return !this.stopping;
  }

  /** Whether the sinks may be flushed. An atomic one that took a segment over in part has to forget it first. */
  flushable(writers: readonly SinkWriter[]): boolean {
    const unusable = writers.find((writer) => !writer.complete || writer.session.broken);
    if (unusable === undefined) return true;
    const reason = unusable.session.broken ? 'the connection is lost' : 'a partition was lost while its messages were being written';
    if (!this.stopping) this.restart(unusable, new ConnectorError(unusable.session.broken ? 'not_connected' : 'lease_lost', reason));
    return false;
  }

  flushFailed(writer: SinkWriter, error: ConnectorError): void {
    this.restart(writer, error);
  }

  flushSucceeded(): void {
    if (this.#flushBackoff.attempts > 0) for (const { id } of this.plan.branches) this.recovered(id);
    this.#flushBackoff.reset();
  }

  restart(writer: SinkWriter, error: ConnectorError): void {
    if (this.restarting) return;
    const lostLease = [...this.leases].some((lease) => lease.lost);
    if (error.outcome !== 'retryable' && !(error.code === 'fenced' && lostLease)) {
      writer.halted = true;
      this.fail(error, 'drop');
    }
    this.restarting = true;
    for (const lease of this.leases) {
      if (lease.retained) continue;
      lease.discarded = true;
      lease.stopReading.abort();
      if (!this.stopping) this.#unread += lease.charged.messages;
      this.#discharge(lease);
      for (const each of this.writers) each.drop(lease);
    }
    this.budget.wake();
    this.#changed.notify();
    void this.#settler.exclusively(() => this.#restartNow(writer, error));
  }

  /** Brings the sink back and reads again from the last checkpoint. */
  async #restartNow(failed: SinkWriter, error: ConnectorError): Promise<void> {
    for (const writer of this.writers) {
      writer.pause();
      await writer.changed.until(() => writer.inFlight === 0);
    }
    // What is durable already is still told, while the leases last.
    await this.#settler.save();
    await Promise.all(this.#runners.map((runner) => runner.committed()));
    await Promise.all(this.#runners.map((runner) => runner.endDiscarded()));
    if (this.stopping || !(await this.#waitToRetry(failed.branch.id, error, this.#flushBackoff))) return this.#endRestart();
    const atomic = this.writers.filter((writer) => writer.branch.sink.capabilities.atomic);
    try {
      for (const writer of this.writers) if (writer.session.broken) await writer.session.reopen();
    } catch (thrown) {
      this.fail(thrown as ConnectorError, 'drop'); // the session throws nothing else
      return this.#endRestart();
    }
    const keys = [...this.leases].map((lease) => lease.key);
    const claimed = await this.#claimUntilDone(atomic, keys);
    if (this.stopping) return this.#endRestart();
    for (const writer of this.writers) writer.unwritten();
    this.restarting = false;
    for (const runner of this.#runners) runner.beginAgain(this.#resumeAt(runner.plan, claimed));
    for (const lease of [...this.leases]) if (lease.discarded) this.removeLease(lease);
    this.#unread = 0;
    for (const writer of this.writers) writer.resume();
    this.#changed.notify();
  }

  /** Where the partitions of a source go on after a restart, while they are still held. */
  #resumeAt(source: SourcePlan, claimed: Checkpoint): Checkpoint {
    if (source.owner === 'sink') return claimed;
    if (source.owner === 'source' && !source.source.capabilities.replayable) return {};
    return this.#settler.positionsOf(this.leases);
  }

  #endRestart(): void {
    this.restarting = false;
    for (const writer of this.writers) writer.resume();
    this.#changed.notify();
  }

  saved(): void {
    if (this.#saveBackoff.attempts > 0) this.recovered('checkpoint');
    this.#saveBackoff.reset();
  }

  saveFailed(thrown: unknown): void {
    const error = isConnectorError(thrown) ? thrown : new ConnectorError('unknown', `the checkpoint could not be saved: ${String(thrown)}`, { cause: thrown });
    const delayMs = this.#saveBackoff.next(error.retryAfterMs);
    const exhausted = !retriesForever(error) && this.#saveBackoff.attempts >= this.plan.retry.maxAttempts;
    if (error.outcome !== 'retryable' || exhausted || this.stopping) this.fail(error, 'drop');
    else {
      this.degraded('checkpoint', error, this.#saveBackoff.attempts, delayMs);
      this.#settler.soon();
    }
  }

  degraded(part: string, error: ConnectorError, attempt: number, delayMs: number): void {
    this.#degradedParts.add(part);
    this.#emit({ type: 'degraded', part, error, attempt, delayMs });
  }

  recovered(part: string): void {
    if (this.#degradedParts.delete(part)) this.#emit({ type: 'recovered', part });
  }

  notice(part: string, text: string): void {
    this.#emit({ type: 'notice', part, text });
  }

  #emit(event: EventBody): void {
    this.plan.emit({ ...event, at: this.plan.clock.now(), pipeline: this.plan.name });
  }
}

type EventBody = WithoutFrame<Parameters<Plan['emit']>[0]>;
type WithoutFrame<Event> = Event extends unknown ? Omit<Event, 'at' | 'pipeline'> : never;
