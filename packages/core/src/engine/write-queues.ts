import type { WriteSize } from '../capabilities.js';
import type { Clock } from '../clock.js';
import type { RetrySettings } from '../pipeline-definition.js';
import { Backoff } from './backoff.js';
import type { Lease } from './lease.js';
import type { Piece } from './piece.js';

/** What of one lease waits to be written. */
export interface LeaseQueue {
  readonly lease: Lease;
  pieces: Piece[];
  readonly backoff: Backoff;
  /** Writes under way that hold pieces of this lease. */
  inFlight: number;
  /** A write failed: nothing of this lease starts before the others under way have settled and the back-off is over. */
  failing: boolean;
  cancelBackoff: (() => void) | undefined;
}

/** What {@link WriteQueues.gather} may take. */
export interface Gathering {
  readonly target: WriteSize;
  readonly mayStart: (queue: LeaseQueue) => boolean;
  /** Only the rest of segments that were begun. */
  readonly begunOnly: boolean;
}

/** The pieces that wait for one sink: in order inside each lease, in turns between leases. */
export class WriteQueues {
  /** Messages that wait, and their bytes. */
  messages = 0;
  bytes = 0;
  /** Segments that were begun and are not finished. */
  begun = 0;
  /** A segment was given up that the sink may have taken over in part. */
  torn = false;
  readonly #queues = new Map<Lease, LeaseQueue>();
  readonly #retry: Required<RetrySettings>;

  constructor(retry: Required<RetrySettings>) {
    this.#retry = retry;
  }

  find(lease: Lease): LeaseQueue | undefined {
    return this.#queues.get(lease);
  }

  of(lease: Lease): LeaseQueue {
    let queue = this.#queues.get(lease);
    if (queue === undefined) {
      queue = {
        lease,
        pieces: [],
        backoff: new Backoff(this.#retry),
        inFlight: 0,
        failing: false,
        cancelBackoff: undefined,
      };
      this.#queues.set(lease, queue);
    }
    return queue;
  }

  /** The queues of these pieces, each once. */
  ofAll(pieces: readonly Piece[]): Iterable<LeaseQueue> {
    const [first] = pieces;
    if (first !== undefined && pieces.length === 1) return [this.of(first.segment.lease)]; // most writes
    return new Set(pieces.map(({ segment }) => this.of(segment.lease)));
  }

  all(): Iterable<LeaseQueue> {
    return this.#queues.values();
  }

  add(piece: Piece): void {
    this.of(piece.segment.lease).pieces.push(piece);
    this.messages += piece.messages.length;
    this.bytes += piece.bytes;
  }

  /** Takes the pieces of the next write. At least one, whatever its size, when any may start. */
  gather({ target, mayStart, begunOnly }: Gathering): Piece[] {
    const pieces: Piece[] = [];
    let messages = 0;
    let bytes = 0;
    const turns = this.#queues.size > 1;
    for (const queue of turns ? [...this.#queues.values()] : this.#queues.values()) {
      if (queue.pieces.length === 0 || !mayStart(queue)) continue;
      let taken = 0;
      for (const piece of queue.pieces) {
        if (begunOnly && !piece.group.started) break;
        const fits = messages + piece.messages.length <= target.maxMessages && bytes + piece.bytes <= target.maxBytes;
        if (pieces.length > 0 && (!fits || piece.alone || pieces[0]?.alone)) break;
        pieces.push(piece);
        taken++;
        messages += piece.messages.length;
        bytes += piece.bytes;
      }
      if (taken === 0) continue;
      queue.pieces.splice(0, taken);
      if (turns) {
        this.#queues.delete(queue.lease); // the next write begins with another lease
        this.#queues.set(queue.lease, queue);
      }
      if (messages >= target.maxMessages || bytes >= target.maxBytes) break;
    }
    this.messages -= messages;
    this.bytes -= bytes;
    return pieces;
  }

  /** A write of the piece begins. */
  begin(piece: Piece): void {
    piece.attempts++;
    if (!piece.group.started) this.begun++;
    piece.group.started = true;
  }

  /** The piece needs no write any more. */
  finish({ group }: Piece): void {
    if (group.left === 0) return;
    group.left--;
    if (group.left === 0) this.begun--;
  }

  /** The piece is given up, and its segment with it. */
  forget({ group }: Piece): void {
    if (group.started && group.left > 0) {
      this.begun--;
      this.torn = true;
    }
    group.left = 0;
  }

  /** Returns pieces to their queues, each to its place; those of leases that are over are given up. */
  putBack(pieces: readonly Piece[]): void {
    for (const piece of pieces) {
      const { lease } = piece.segment;
      if (lease.discarded || lease.lost) {
        this.forget(piece);
        this.drop(lease);
        continue;
      }
      const queue = this.of(lease);
      const at = queue.pieces.findIndex((other) => other.order > piece.order);
      queue.pieces.splice(at < 0 ? queue.pieces.length : at, 0, piece);
      this.messages += piece.messages.length;
      this.bytes += piece.bytes;
    }
  }

  /** Gives up what waits of a lease; `begun` keeps the rest of segments that were begun. */
  drop(lease: Lease, keep?: 'begun'): void {
    const queue = this.#queues.get(lease);
    if (queue === undefined) return;
    const kept: Piece[] = [];
    for (const piece of queue.pieces) {
      if (keep === 'begun' && piece.group.started) {
        kept.push(piece);
        continue;
      }
      this.messages -= piece.messages.length;
      this.bytes -= piece.bytes;
      this.forget(piece);
    }
    queue.pieces = kept;
    if (kept.length > 0) return;
    queue.cancelBackoff?.();
    if (queue.inFlight === 0) this.#queues.delete(lease);
  }

  /** Starts nothing of a queue for so long. */
  backOff(queue: LeaseQueue, delayMs: number, clock: Clock, onOver: () => void): void {
    queue.cancelBackoff?.();
    const cancel = clock.after(delayMs, () => {
      queue.cancelBackoff = undefined;
      onOver();
    });
    queue.cancelBackoff = () => {
      cancel();
      queue.cancelBackoff = undefined;
    };
  }

  /** Forgets the queue of a lease that has ended. */
  tidy(queue: LeaseQueue): void {
    if (queue.inFlight === 0 && queue.pieces.length === 0 && queue.lease.ended) this.#queues.delete(queue.lease);
  }
}
