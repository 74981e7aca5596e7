import type { ConnectorError } from '../error.js';
import { BatchError } from '../sink-driver.js';
import { Backoff } from './backoff.js';
import { Condition } from './condition.js';
import type { Flow } from './flow.js';
import { finishPart, type Hub } from './hub.js';
import type { Lease, Segment } from './lease.js';
import { givenUp, retriesForever } from './part-error.js';
import { cutAtLimits, joinPieces, type Piece } from './piece.js';
import type { BranchPlan } from './plan.js';
import { RateLimit } from './rate-limit.js';
import type { SinkSession } from './sink-session.js';
import { sleep } from './sleep.js';
import { judgeWrite } from './write-failure.js';

/** What of one lease waits to be written. */
interface LeaseQueue {
  readonly lease: Lease;
  pieces: Piece[];
  readonly backoff: Backoff;
  /** Writes under way that hold pieces of this lease. */
  inFlight: number;
  /** A write failed: nothing of this lease starts before the others under way have settled and the back-off is over. */
  failing: boolean;
  cancelBackoff: (() => void) | undefined;
}

/**
 * Writes to one sink: gathers what waits into writes, keeps as many under way as the sink allows, keeps the order inside
 * each lease whatever fails, and tries again what may pass.
 */
export class SinkWriter {
  readonly branch: BranchPlan;
  readonly session: SinkSession;
  /** Notified whenever a write has settled or the queues changed otherwise. */
  readonly changed: Condition = new Condition();
  /** Taken over by the sink since the last flush. */
  unflushedMessages = 0;
  unflushedBytes = 0;
  inFlight = 0;
  /** Nothing is started: the sink is being opened again, or the run has failed. */
  halted = false;
  readonly #hub: Hub;
  readonly #queues = new Map<Lease, LeaseQueue>();
  readonly #slots: number;
  readonly #target: { readonly maxMessages: number; readonly maxBytes: number };
  readonly #limits: { readonly maxMessages: number; readonly maxBytes: number };
  readonly #rateLimit: RateLimit | undefined;
  #retained: Piece[] = [];
  #paused = false;
  #openGroups = 0;
  /** A segment was given up that the sink may have taken over in part. */
  #torn = false;
  #order = 0;
  #queuedMessages = 0;
  #recovering = false;
  /** When the oldest waiting piece must go, while `maxAgeMs` lets writes wait to fill. */
  #dueAt: number | undefined;
  #cancelDue: (() => void) | undefined;

  constructor(hub: Hub, branch: BranchPlan, session: SinkSession) {
    this.#hub = hub;
    this.branch = branch;
    this.session = session;
    const { preferred, limits, overlap } = branch.sink.capabilities;
    this.#slots = overlap === 'none' ? 1 : Math.max(1, preferred.maxInFlight);
    this.#limits = {
      maxMessages: limits?.maxMessages ?? Number.POSITIVE_INFINITY,
      maxBytes: limits?.maxBytes ?? Number.POSITIVE_INFINITY,
    };
    this.#target = {
      maxMessages: Math.min(hub.plan.batch.maxMessages ?? preferred.maxMessages, this.#limits.maxMessages),
      maxBytes: Math.min(hub.plan.batch.maxBytes ?? preferred.maxBytes, this.#limits.maxBytes),
    };
    const { messagesPerSecond } = hub.plan;
    this.#rateLimit = messagesPerSecond === undefined ? undefined : new RateLimit(messagesPerSecond);
  }

  /** Queues the outputs of a segment, each of which is one pending part of it. */
  add(segment: Segment, flow: Flow): void {
    const { messages } = flow;
    if (messages.length === 0) return;
    const cuts = cutAtLimits(messages, this.#limits);
    const group = { started: false, left: cuts.length };
    const queue = this.#queueOf(segment.lease);
    for (const { from, to, bytes } of cuts) {
      const whole = cuts.length === 1;
      queue.pieces.push({
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
    this.#queuedMessages += messages.length;
    this.pump();
  }

  /** Starts as many writes as may be under way. */
  pump(): void {
    while (!this.halted && !this.#recovering && this.inFlight < this.#slots) {
      const pieces = this.#gather();
      if (pieces.length === 0) return;
      void this.#write(pieces);
    }
  }

  /** Starts nothing new but the rest of segments that were begun, so that a flush can follow. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.pump();
  }

  /** Resolves when no write is under way and, for an atomic sink, no segment is written in part. */
  quiet(): Promise<void> {
    const { atomic } = this.branch.sink.capabilities;
    return this.changed.until(() => this.inFlight === 0 && (!atomic || this.halted || this.#openGroups === 0));
  }

  /** Whether a flush now would store whole segments only, as far as that matters to the sink. */
  get complete(): boolean {
    return !this.branch.sink.capabilities.atomic || (this.#openGroups === 0 && !this.#torn);
  }

  /** Nothing waits and nothing is under way, of one lease or of all. */
  idle(lease?: Lease): boolean {
    if (lease !== undefined) {
      const queue = this.#queues.get(lease);
      return queue === undefined || (queue.pieces.length === 0 && queue.inFlight === 0);
    }
    return this.inFlight === 0 && this.#queuedMessages === 0;
  }

  /** Forgets what waits of a lease, but for the rest of a segment that was begun, and resolves when nothing is under way. */
  async finish(lease: Lease): Promise<void> {
    this.drop(lease, 'begun');
    await this.changed.until(() => this.idle(lease) || this.halted);
  }

  /** Forgets what waits of a lease; `begun` keeps the rest of segments that were begun. */
  drop(lease: Lease, keep?: 'begun'): void {
    const queue = this.#queues.get(lease);
    if (queue === undefined) return;
    const kept: Piece[] = [];
    for (const piece of queue.pieces) {
      if (keep === 'begun' && piece.group.started) {
        kept.push(piece);
        continue;
      }
      this.#queuedMessages -= piece.messages.length;
      this.#forgetGroup(piece);
    }
    queue.pieces = kept;
    if (kept.length > 0) return;
    queue.cancelBackoff?.();
    if (queue.inFlight === 0) this.#queues.delete(lease);
    this.changed.notify();
  }

  /** Ends all back-off at once: what fails from now on stays unsettled. */
  hurry(): void {
    for (const queue of this.#queues.values()) queue.cancelBackoff?.();
    this.pump();
  }

  /** Everything that was taken over is durable. */
  flushed(): void {
    this.unflushedMessages = 0;
    this.unflushedBytes = 0;
    this.#torn = false;
    this.#retained = [];
  }

  /** What was taken over and not flushed counts as not written; what cannot be read again waits once more. */
  unwritten(): void {
    const retained = this.#retained;
    this.flushed();
    for (const piece of retained) {
      piece.segment.pending++;
      if (piece.group.left++ === 0) this.#openGroups++;
    }
    this.#putBack(retained);
  }

  #queueOf(lease: Lease): LeaseQueue {
    let queue = this.#queues.get(lease);
    if (queue === undefined) {
      const backoff = new Backoff(this.#hub.plan.retry);
      queue = { lease, pieces: [], backoff, inFlight: 0, failing: false, cancelBackoff: undefined };
      this.#queues.set(lease, queue);
    }
    return queue;
  }

  #forgetGroup({ group }: Piece): void {
    if (group.started && group.left > 0) {
      this.#openGroups--;
      this.#torn = true;
    }
    group.left = 0;
  }

  #gather(): Piece[] {
    if (this.#queuedMessages === 0 || this.#waitsToFill()) return [];
    const pieces: Piece[] = [];
    let messages = 0;
    let bytes = 0;
    for (const queue of [...this.#queues.values()]) {
      if (!this.#mayStart(queue)) continue;
      let taken = 0;
      for (const piece of queue.pieces) {
        if (this.#paused && !piece.group.started) break;
        const fits =
          messages + piece.messages.length <= this.#target.maxMessages && bytes + piece.bytes <= this.#target.maxBytes;
        if (pieces.length > 0 && (!fits || piece.alone || pieces[0]?.alone)) break;
        pieces.push(piece);
        taken++;
        messages += piece.messages.length;
        bytes += piece.bytes;
      }
      if (taken === 0) continue;
      queue.pieces.splice(0, taken);
      this.#queues.delete(queue.lease); // the next write begins with another lease
      this.#queues.set(queue.lease, queue);
      if (messages >= this.#target.maxMessages || bytes >= this.#target.maxBytes) break;
    }
    this.#queuedMessages -= messages;
    return pieces;
  }

  #mayStart(queue: LeaseQueue): boolean {
    if (queue.pieces.length === 0 || queue.cancelBackoff !== undefined) return false;
    const { overlap } = this.branch.sink.capabilities;
    if (queue.failing && queue.inFlight > 0) return false;
    return queue.inFlight === 0 || overlap === 'ordered' || !this.#hub.plan.ordered;
  }

  #waitsToFill(): boolean {
    const { maxAgeMs = 0 } = this.#hub.plan.batch;
    if (maxAgeMs === 0 || this.#queuedMessages >= this.#target.maxMessages || this.#paused || this.#hub.urgent()) {
      return this.#endWait(false);
    }
    const now = this.#hub.plan.clock.now();
    if (this.#dueAt === undefined) {
      this.#dueAt = now + maxAgeMs;
      this.#cancelDue = this.#hub.plan.clock.after(maxAgeMs, () => this.pump());
    }
    return now < this.#dueAt ? true : this.#endWait(false);
  }

  #endWait(waits: boolean): boolean {
    this.#cancelDue?.();
    this.#dueAt = undefined;
    this.#cancelDue = undefined;
    return waits;
  }

  async #write(pieces: readonly Piece[]): Promise<void> {
    const batch = joinPieces(pieces);
    this.inFlight++;
    const queues = new Set(pieces.map((piece) => this.#queueOf(piece.segment.lease)));
    for (const queue of queues) queue.inFlight++;
    for (const piece of pieces) {
      piece.attempts++;
      if (piece.attempts > 1) this.#hub.stats.wroteAgain(this.branch.id, piece.messages.length);
      if (!piece.group.started) this.#openGroups++;
      piece.group.started = true;
    }
    const { clock } = this.#hub.plan;
    const started = clock.now();
    let failure: BatchError | ConnectorError | undefined;
    try {
      const delayMs = this.#rateLimit?.reserve(batch.messages.length, started) ?? 0;
      if (delayMs > 0) await sleep(clock, delayMs, this.#hub.stopSignal);
      await this.session.write(batch);
    } catch (error) {
      failure = error as BatchError | ConnectorError; // the session throws nothing else
    }
    this.inFlight--;
    for (const queue of queues) queue.inFlight--;
    this.#hub.stats.wrote(this.branch.id, batch.messages.length, clock.now() - started, failure !== undefined);
    this.#hub.stats.tookOver(this.branch.id, batch.messages.length - this.#countFailed(batch.messages.length, failure));
    if (failure === undefined) for (const piece of pieces) this.#pieceWritten(piece);
    else this.#failed(pieces, failure);
    for (const queue of queues) {
      if (queue.inFlight === 0) queue.failing = false;
      if (queue.inFlight === 0 && queue.pieces.length === 0 && queue.lease.ended) this.#queues.delete(queue.lease);
    }
    this.pump();
    this.changed.notify();
  }

  #pieceWritten(piece: Piece): void {
    const { lease } = piece.segment;
    this.#closeGroup(piece);
    const queue = this.#queues.get(lease);
    if (queue !== undefined && queue.backoff.attempts > 0) {
      queue.backoff.reset();
      this.#hub.recovered(this.branch.id);
    }
    if (lease.discarded) return;
    if (this.session.flushes) {
      this.unflushedMessages += piece.messages.length;
      this.unflushedBytes += piece.bytes;
      if (lease.retained) this.#retained.push(piece);
    }
    finishPart(this.#hub, piece.segment);
    this.#hub.written(lease);
  }

  #countFailed(count: number, failure: BatchError | ConnectorError | undefined): number {
    if (failure === undefined) return 0;
    return failure instanceof BatchError && !this.branch.sink.capabilities.atomic ? failure.failures.length : count;
  }

  #closeGroup({ group }: Piece): void {
    if (group.left === 0) return;
    group.left--;
    if (group.left === 0) this.#openGroups--;
  }

  #failed(pieces: readonly Piece[], failure: BatchError | ConnectorError): void {
    const { done, refused, again, error } = judgeWrite(pieces, failure, this.branch.sink.capabilities.atomic);
    for (const { piece, origin, error: reason } of refused) {
      const { segment, attempts } = piece;
      if (!segment.lease.discarded) this.#hub.invalid({ segment, index: origin, error: reason, attempts, branch: this.branch });
    }
    for (const piece of done) this.#pieceWritten(piece);
    if (error === undefined) this.#putBack(again);
    else if (error.outcome === 'fatal') {
      this.halted = true;
      this.#putBack(again);
      this.#hub.fail(error, 'drop');
    } else if (this.session.flushes) {
      // What else the sink has taken over is in doubt with it, so all of it is read again, or retained, from the checkpoint on.
      this.#putBack(again.filter((piece) => piece.segment.lease.retained));
      for (const piece of again) if (!piece.segment.lease.retained) this.#forgetGroup(piece);
      this.#hub.restart(this, error);
    } else this.#retry(again, error);
  }

  #retry(again: readonly Piece[], error: ConnectorError): void {
    this.#putBack(again);
    const queues = new Set(again.map((piece) => this.#queueOf(piece.segment.lease)));
    let delayMs = 0;
    let attempts = 0;
    for (const queue of queues) {
      if (this.#hub.stopping) {
        this.drop(queue.lease);
        continue;
      }
      const delay = queue.backoff.next(error.retryAfterMs);
      if (delay >= delayMs) [delayMs, attempts] = [delay, queue.backoff.attempts];
      queue.failing = true;
      this.#startBackoff(queue, delay);
    }
    if (this.#hub.stopping) return;
    if (attempts >= this.#hub.plan.retry.maxAttempts && !retriesForever(error)) {
      this.halted = true;
      this.#hub.fail(givenUp(error, `gave up after ${attempts} attempts`), 'drop');
      return;
    }
    this.#hub.degraded(this.branch.id, error, attempts, delayMs);
    if (this.session.broken) void this.#recover();
  }

  #startBackoff(queue: LeaseQueue, delayMs: number): void {
    queue.cancelBackoff?.();
    const cancel = this.#hub.plan.clock.after(delayMs, () => {
      queue.cancelBackoff = undefined;
      this.pump();
    });
    queue.cancelBackoff = () => {
      cancel();
      queue.cancelBackoff = undefined;
    };
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

  /** Returns pieces to their queues, each to its place. */
  #putBack(pieces: readonly Piece[]): void {
    for (const piece of pieces) {
      if (piece.segment.lease.discarded || piece.segment.lease.lost) {
        this.#forgetGroup(piece);
        continue;
      }
      const queue = this.#queueOf(piece.segment.lease);
      const at = queue.pieces.findIndex((other) => other.order > piece.order);
      queue.pieces.splice(at < 0 ? queue.pieces.length : at, 0, piece);
      this.#queuedMessages += piece.messages.length;
    }
  }
}
