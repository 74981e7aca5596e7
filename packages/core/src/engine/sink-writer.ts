import type { ConnectorError } from '../error.js';
import type { BatchError } from '../sink-driver.js';
import { Condition } from './condition.js';
import { FillWait } from './fill-wait.js';
import type { Flow } from './flow.js';
import { finishPart, type Hub } from './hub.js';
import type { Lease, Segment } from './lease.js';
import { givenUp, retriesForever } from './part-error.js';
import { cutAtLimits, joinPieces, originAt, type Piece } from './piece.js';
import { type BranchPlan, stopsAtInvalid } from './plan.js';
import { RateLimit } from './rate-limit.js';
import type { SinkSession } from './sink-session.js';
import { Turn } from './turn.js';
import { Unflushed } from './unflushed.js';
import { codeOf, countFailed, judgeWrite } from './write-failure.js';
import { WriteGate } from './write-gate.js';
import { type LeaseQueue, WriteQueues } from './write-queues.js';
import { type WriteSizes, writeSizesOf } from './write-size.js';

/**
 * Writes to one sink: gathers what waits into writes, keeps as many under way as the sink allows, keeps the order inside
 * each lease whatever fails, and tries again what may pass.
 */
export class SinkWriter {
  readonly branch: BranchPlan;
  readonly session: SinkSession;
  /** Notified whenever a write has settled or the queues changed otherwise. */
  readonly changed: Condition = new Condition();
  readonly gate: WriteGate = new WriteGate(() => this.pump());
  readonly unflushed: Unflushed = new Unflushed();
  inFlight = 0;
  /** Nothing is started: the sink is being opened again, or the run has failed. */
  halted = false;
  readonly #hub: Hub;
  readonly #queues: WriteQueues;
  readonly #slots: number;
  readonly #sizes: WriteSizes;
  readonly #rateLimit: RateLimit | undefined;
  readonly #fillWait: FillWait;
  readonly #turn: Turn;
  /** Of these a write failed at shutdown: what comes of them behind it is left with it. */
  readonly #left = new Set<Lease>();
  #order = 0;
  #recovering = false;

  constructor(hub: Hub, branch: BranchPlan, session: SinkSession) {
    this.#hub = hub;
    this.branch = branch;
    this.session = session;
    this.#queues = new WriteQueues(hub.plan.retry);
    const { preferred, overlap } = branch.sink.capabilities;
    this.#slots = overlap === 'none' ? 1 : Math.max(1, preferred.maxInFlight);
    this.#sizes = writeSizesOf(hub.plan, branch.sink.capabilities);
    const { batch, clock, messagesPerSecond } = hub.plan;
    this.#turn = new Turn(clock, () => this.pump());
    this.#fillWait = new FillWait(clock, batch.maxAgeMs ?? 0, () => this.pump());
    if (messagesPerSecond !== undefined) this.#rateLimit = new RateLimit(messagesPerSecond, clock, () => this.pump());
  }

  /** Queues the outputs of a segment, each of which is one pending part of it. */
  add(segment: Segment, flow: Flow): void {
    const { messages } = flow;
    if (messages.length === 0) return;
    const cuts = cutAtLimits(messages, this.#sizes.limits);
    const group = { started: false, left: cuts.length };
    for (const { from, to, bytes } of cuts) {
      const whole = cuts.length === 1;
      this.#queues.add({
        segment,
        messages: whole ? messages : messages.slice(from, to),
        origins: whole ? flow.origins : flow.origins?.slice(from, to),
        base: segment.from + (flow.origins === undefined ? from : 0),
        bytes: bytes ?? segment.bytes,
        order: this.#order++,
        last: to === messages.length,
        alone: false,
        group,
        attempts: 0,
      });
    }
    segment.pending += cuts.length;
    if (this.#left.has(segment.lease)) this.drop(segment.lease);
    this.pump();
  }

  /** Starts as many writes as may be under way. */
  pump(): void {
    while (this.#mayWrite() && this.inFlight < (this.#hub.restarter.careful ? 1 : this.#slots)) {
      const pieces = this.#gather();
      if (pieces.length === 0) return;
      void this.#write(pieces);
    }
  }

  #mayWrite(): boolean {
    return !this.halted && !this.gate.held && !this.#recovering && !this.session.broken && !this.#hub.restarter.active;
  }

  /** Resolves when no write is under way and, for an atomic sink, no segment is written in part, unless it cannot be ended. */
  quiet(): Promise<void> {
    const { atomic } = this.branch.sink.capabilities;
    const stuck = (): boolean => this.halted || this.#hub.restarter.active;
    return this.changed.until(() => this.inFlight === 0 && (!atomic || stuck() || this.#queues.begun === 0));
  }

  /** Whether a flush now would store whole segments only, as far as that matters to the sink. */
  get complete(): boolean {
    return !this.branch.sink.capabilities.atomic || (this.#queues.begun === 0 && !this.#queues.torn);
  }

  /** Nothing waits and nothing is under way, of one lease or of all. */
  idle(lease?: Lease): boolean {
    if (lease !== undefined) {
      const queue = this.#queues.find(lease);
      return queue === undefined || (queue.pieces.length === 0 && queue.inFlight === 0);
    }
    return this.inFlight === 0 && this.#queues.messages === 0;
  }

  /** Forgets what waits of a lost lease. An atomic sink gets the rest of a segment that was begun: it could not flush half of it. */
  giveUp(lease: Lease): void {
    this.drop(lease, this.branch.sink.capabilities.atomic ? 'begun' : undefined);
  }

  /** Gives up a lease and resolves when nothing of it is under way. */
  async finish(lease: Lease): Promise<void> {
    this.giveUp(lease);
    await this.changed.until(() => this.idle(lease) || this.halted);
  }

  /** Forgets what waits of a lease; `begun` keeps the rest of segments that were begun. */
  drop(lease: Lease, keep?: 'begun'): void {
    this.#queues.drop(lease, keep);
    this.changed.notify();
  }

  /** Ends all back-off at once: what fails from now on stays unsettled. */
  hurry(): void {
    for (const queue of this.#queues.all()) queue.cancelBackoff?.();
    this.pump();
  }

  /** Everything that was taken over is durable. */
  flushed(): void {
    this.unflushed.clear();
    this.#queues.torn = false;
  }

  /** What was taken over and not flushed counts as not written; what cannot be read again waits once more. */
  unwritten(): void {
    const retained = this.unflushed.clear();
    for (const piece of retained) {
      piece.segment.pending++;
      if (piece.group.left++ === 0) this.#queues.begun++;
    }
    this.#queues.putBack(retained);
    this.#queues.torn = false; // also what is given up here, the sink holds no part of
    this.changed.notify(); // of a lease that was lost meanwhile nothing waits any more
  }

  #gather(): Piece[] {
    // Nothing is taken before it may go: only what the sink has begun fails with an earlier write.
    if (this.#queues.messages === 0 || this.#rateLimit?.waits() || this.#waitsToFill()) return [];
    return this.#queues.gather({ target: this.#sizes.target, begunOnly: this.gate.paused, mayStart: this.#mayStart });
  }

  readonly #mayStart = (queue: LeaseQueue): boolean => {
    const { ordered } = this.#hub.plan;
    if (queue.cancelBackoff !== undefined || (ordered && queue.failing && queue.inFlight > 0)) return false;
    if (queue.inFlight === 0) return true;
    if (this.branch.sink.capabilities.overlap !== 'ordered') return false;
    if (!ordered) return true;
    if (!this.#turn.now) this.#turn.ask();
    return this.#turn.now;
  };

  #waitsToFill(): boolean {
    const { messages, bytes } = this.#queues;
    const full = messages >= this.#sizes.target.maxMessages || bytes >= this.#sizes.target.maxBytes;
    return this.#fillWait.waits(full || this.gate.paused || this.#hub.urgent());
  }

  async #write(pieces: readonly Piece[]): Promise<void> {
    const batch = joinPieces(pieces);
    this.inFlight++;
    const queues = this.#queues.ofAll(pieces);
    for (const queue of queues) queue.inFlight++;
    for (const piece of pieces) {
      this.#queues.begin(piece);
      if (piece.attempts > 1) this.#hub.stats.wroteAgain(this.branch, piece.messages.length);
    }
    const { clock } = this.#hub.plan;
    const started = clock.now();
    let failure: BatchError | ConnectorError | undefined;
    try {
      this.#rateLimit?.take(batch.messages.length);
      await this.session.write(batch);
    } catch (error) {
      failure = error as BatchError | ConnectorError; // the session throws nothing else
    }
    this.inFlight--;
    for (const queue of queues) queue.inFlight--;
    const count = batch.messages.length;
    this.#hub.stats.wrote(this.branch, {
      count,
      failed: countFailed(count, failure, this.branch.sink.capabilities.atomic),
      error: failure && codeOf(failure),
      ms: clock.now() - started,
    });
    if (failure === undefined) for (const piece of pieces) this.#pieceWritten(piece);
    else this.#failed(pieces, failure);
    for (const queue of queues) {
      if (queue.inFlight === 0) queue.failing = false;
      this.#queues.tidy(queue);
    }
    this.pump();
    this.changed.notify();
  }

  #pieceWritten(piece: Piece): void {
    const { lease } = piece.segment;
    this.#queues.finish(piece);
    const queue = this.#queues.find(lease);
    if (queue !== undefined && queue.backoff.attempts > 0) {
      queue.backoff.reset();
      this.#hub.recovered(this.branch.id);
    }
    if (lease.discarded) return;
    if (this.session.flushes) this.unflushed.add(piece);
    finishPart(this.#hub, piece.segment);
    this.#hub.settler.written(lease);
  }

  #failed(pieces: readonly Piece[], failure: BatchError | ConnectorError): void {
    const { atomic } = this.branch.sink.capabilities;
    const { flushes } = this.session;
    const { done, refused, again, error } = judgeWrite(pieces, failure, { atomic, flushes });
    for (const { piece, origin, error: reason } of refused) {
      const { segment, attempts } = piece;
      // The segment is not settled in this run, so an atomic sink that has the rest of it may not be flushed any more.
      if (stopsAtInvalid(this.#hub.plan, this.branch)) this.#queues.forget(piece);
      const isEarly = again.some((other) => other.segment === segment && originAt(other, 0) < origin);
      if (!segment.lease.discarded)
        this.#hub.invalid({ segment, index: origin, error: reason, attempts, branch: this.branch, isEarly });
    }
    for (const piece of done) this.#pieceWritten(piece);
    if (error === undefined) this.#queues.putBack(again);
    else if (flushes) {
      // What else the sink has taken over is in doubt with it, so all of it is read again, or retained, from the checkpoint on.
      this.#queues.putBack(again.filter((piece) => piece.segment.lease.retained));
      for (const piece of again) if (!piece.segment.lease.retained) this.#queues.forget(piece);
      this.#hub.restarter.restart(this, error);
    } else if (error.outcome === 'fatal') {
      this.halted = true;
      this.#queues.putBack(again);
      this.#hub.fail(error, 'drop');
    } else this.#retry(again, error);
  }

  #retry(again: readonly Piece[], error: ConnectorError): void {
    this.#queues.putBack(again);
    const queues = this.#queues.ofAll(again);
    let delayMs = 0;
    let attempts = 0;
    for (const queue of queues) {
      if (this.#hub.stopping) {
        this.#left.add(queue.lease);
        this.drop(queue.lease);
        continue;
      }
      const delay = queue.backoff.next(error.retryAfterMs);
      if (delay >= delayMs) [delayMs, attempts] = [delay, queue.backoff.attempts];
      queue.failing = true;
      this.#queues.backOff(queue, delay, this.#hub.plan.clock, () => this.pump());
    }
    if (this.session.broken) void this.#recover();
    if (this.#hub.stopping) return;
    if (attempts >= this.#hub.plan.retry.maxAttempts && !retriesForever(error)) {
      this.halted = true;
      this.#hub.fail(givenUp(error, `gave up after ${attempts} attempts`), 'drop');
      return;
    }
    this.#hub.degraded(this.branch.id, error, attempts, delayMs);
  }

  async #recover(): Promise<void> {
    if (this.#recovering) return;
    this.#recovering = true;
    await this.changed.until(() => this.inFlight === 0);
    try {
      await this.session.reopen();
    } catch (error) {
      this.halted = true;
      if (!this.#hub.stopping) this.#hub.fail(this.session.wrap(error, 'open'), 'drop');
    }
    this.#recovering = false;
    this.hurry();
    this.changed.notify();
  }
}
