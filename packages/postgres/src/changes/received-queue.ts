import type { PgoutputMessage } from './pgoutput.js';

/** What came from the server, in order. */
export type Received =
  | { readonly kind: 'change'; readonly message: PgoutputMessage; readonly bytes: number }
  /** Everything that was committed before `lsn` was sent before this. */
  | { readonly kind: 'keepalive'; readonly lsn: bigint; readonly replyRequested: boolean };

/**
 * What came and is not taken yet, first in, first out. What is taken is let go at once, because a queue that is filled as fast as it is
 * emptied, as with a slow sink, never becomes empty.
 */
export class ReceivedQueue {
  #incoming: Received[] = [];
  /** The oldest last. */
  #outgoing: Received[] = [];
  #bytes = 0;

  /** Of the changes, as they came. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#incoming.length === 0 && this.#outgoing.length === 0;
  }

  pushChange(message: PgoutputMessage, bytes: number): void {
    this.#bytes += bytes;
    this.#incoming.push({ kind: 'change', message, bytes });
  }

  /** One of several in a row is enough, so that they need no memory while nobody takes them. */
  pushKeepalive(lsn: bigint, replyRequested: boolean): void {
    const last = this.#incoming.at(-1);
    const isRepeated = last?.kind === 'keepalive';
    if (isRepeated) this.#incoming.pop();
    const isUrgent = replyRequested || (isRepeated && last.replyRequested);
    this.#incoming.push({ kind: 'keepalive', lsn, replyRequested: isUrgent });
  }

  /** Undefined when nothing waits. */
  take(): Received | undefined {
    if (this.#outgoing.length === 0) {
      this.#outgoing = this.#incoming.reverse();
      this.#incoming = [];
    }
    const next = this.#outgoing.pop();
    if (next?.kind === 'change') this.#bytes -= next.bytes;
    return next;
  }

  clear(): void {
    this.#incoming = [];
    this.#outgoing = [];
    this.#bytes = 0;
  }
}
