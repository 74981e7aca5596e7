/** Everything that was committed before `lsn` was sent before this. */
export interface Keepalive {
  readonly kind: 'keepalive';
  readonly lsn: bigint;
  readonly replyRequested: boolean;
}

/**
 * What came and is not taken yet, first in, first out. What is taken is let go at once, because a queue that is filled as fast as it is
 * emptied, as with a slow sink, never becomes empty. Changes wait as bytes, which live longer than rows should.
 */
export class ReceivedQueue {
  #incoming: (Buffer | Keepalive)[] = [];
  /** The oldest last. */
  #outgoing: (Buffer | Keepalive)[] = [];
  #bytes = 0;

  /** Of the changes. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#incoming.length === 0 && this.#outgoing.length === 0;
  }

  /** Keeps a copy: pg writes what it reads next over the same bytes. */
  pushChange(bytes: Buffer): void {
    this.#bytes += bytes.length;
    this.#incoming.push(Buffer.from(bytes));
  }

  /** One of several in a row is enough, so that they need no memory while nobody takes them. */
  pushKeepalive(lsn: bigint, replyRequested: boolean): void {
    const last = this.#incoming.at(-1);
    const repeated = Buffer.isBuffer(last) ? undefined : last;
    if (repeated !== undefined) this.#incoming.pop();
    this.#incoming.push({
      kind: 'keepalive',
      lsn,
      replyRequested: replyRequested || repeated?.replyRequested === true,
    });
  }

  /** Undefined when nothing waits. */
  take(): Buffer | Keepalive | undefined {
    if (this.#outgoing.length === 0) {
      this.#outgoing = this.#incoming.reverse();
      this.#incoming = [];
    }
    const next = this.#outgoing.pop();
    if (Buffer.isBuffer(next)) this.#bytes -= next.length;
    return next;
  }

  clear(): void {
    this.#incoming = [];
    this.#outgoing = [];
    this.#bytes = 0;
  }
}
