import type { Piece } from './piece.js';

/** What a sink has taken over since its last flush. */
export class Unflushed {
  messages = 0;
  bytes = 0;
  /** Messages among them that nobody can read again, and that are kept in memory until the flush. */
  retainedMessages = 0;
  #retained: Piece[] = [];

  add(piece: Piece): void {
    this.messages += piece.messages.length;
    this.bytes += piece.bytes;
    if (!piece.segment.lease.retained) return;
    this.#retained.push(piece);
    this.retainedMessages += piece.messages.length;
  }

  /** Forgets all of it, and gives back what was kept. */
  clear(): readonly Piece[] {
    const retained = this.#retained;
    this.messages = 0;
    this.bytes = 0;
    this.retainedMessages = 0;
    this.#retained = [];
    return retained;
  }
}
