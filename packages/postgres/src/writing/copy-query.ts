import type { Connection, Submittable } from 'pg';

/**
 * Statements of which one is a COPY, with its rows right behind them: pg-copy-streams sends rows when the server has asked for them,
 * and the server waits for as long as this process is busy then. Rows that nobody asks for, because a statement before them has
 * failed, are dropped by the server.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY
 */
export class CopyQuery implements Submittable {
  /** Rejects with the server's error. */
  readonly done: Promise<void>;
  readonly #sql: string;
  readonly #chunks: readonly Uint8Array[];
  readonly #onSent: (() => void) | undefined;
  readonly #end: PromiseWithResolvers<void> = Promise.withResolvers();

  /** @param onSent is called when all rows are on their way */
  constructor(sql: string, chunks: readonly Uint8Array[], onSent?: () => void) {
    this.#sql = sql;
    this.#chunks = chunks;
    this.#onSent = onSent;
    this.done = this.#end.promise;
  }

  submit(connection: Connection): void {
    const { stream } = connection;
    stream.cork();
    connection.query(this.#sql);
    for (const chunk of this.#chunks) {
      stream.write(headerOf('d', chunk.length));
      stream.write(chunk);
    }
    stream.write(headerOf('c', 0), () => this.#onSent?.());
    stream.uncork();
  }

  handleReadyForQuery(): void {
    this.#end.resolve();
  }

  handleError(error: Error): void {
    this.#end.reject(error);
  }

  /** The rows are there already. */
  handleCopyInResponse(): void {}

  /** How many rows there were is known here. */
  handleCommandComplete(): void {}
}

function headerOf(kind: 'c' | 'd', length: number): Buffer {
  const header = Buffer.allocUnsafe(5);
  header.write(kind, 'latin1');
  header.writeUInt32BE(length + 4, 1);
  return header;
}
