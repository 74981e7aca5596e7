import { once } from 'node:events';
import type { Client, QueryResult, QueryResultRow } from 'pg';
import { endClient } from '../end-client.js';
import { quoted, quotedList } from '../identifier.js';
import type { CopyRows } from './copy-rows.js';

/** More would slow the catalog down; each is one for a table and the columns that are written. */
const maxStagingTables = 50;

/** One connection, and what the server keeps for it. */
export class Session {
  readonly client: Client;
  /** Names of temporary tables by what they hold. */
  readonly #staging = new Map<string, string>();
  #stagingCount = 0;
  #end: unknown;

  constructor(client: Client) {
    this.client = client;
    client.on('error', (error) => {
      this.#end ??= error;
    });
  }

  /** What ended the connection while nothing was asked; undefined while it lives. */
  get end(): unknown {
    return this.#end;
  }

  /** Runs SQL that holds no values; several statements are run in one go. */
  async run(sql: string): Promise<void> {
    await this.client.query(sql);
  }

  query<R extends QueryResultRow>(sql: string, values: readonly unknown[]): Promise<QueryResult<R>> {
    return this.client.query<R>(sql, [...values]);
  }

  /**
   * Sends rows with COPY.
   *
   * @param onSent is called when all of them are on their way
   */
  async copy(table: string, { columns, chunks }: CopyRows, onSent?: () => void): Promise<void> {
    const { from } = await import('pg-copy-streams');
    const stream = this.client.query(from(`COPY ${table} (${quotedList(columns)}) FROM STDIN`));
    const finished = once(stream, 'finish');
    for (const chunk of chunks.slice(0, -1)) stream.write(chunk);
    stream.write(chunks.at(-1) ?? '', () => onSent?.());
    stream.end();
    await finished;
  }

  /**
   * A temporary table of this connection with these columns of a table, without its constraints; empty when it was emptied
   * after its last use.
   */
  async stagingTable(table: string, columns: readonly string[]): Promise<string> {
    const id = JSON.stringify([table, ...columns]);
    const name = this.#staging.get(id) ?? `pg_temp.${quoted(`sluice_${this.#stagingCount++}`)}`;
    if (!this.#staging.has(id) && this.#staging.size >= maxStagingTables) await this.#dropOldest();
    this.#staging.set(id, name);
    // Made again where a rollback has undone it.
    await this.run(
      `CREATE TEMP TABLE IF NOT EXISTS ${name} AS SELECT ${quotedList(columns)} FROM ${table} WITH NO DATA`,
    );
    return name;
  }

  /** What was known of tables may not be so any more. */
  forget(): void {
    this.#staging.clear();
  }

  /** Calls `action`, and breaks the connection when it is aborted: the server then undoes what is not committed. */
  async guarded<T>(signal: AbortSignal, action: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const giveUp = (): void => void this.client.connection.stream.destroy();
    signal.addEventListener('abort', giveUp);
    try {
      return await action();
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  async close(): Promise<void> {
    await endClient(this.client);
  }

  async #dropOldest(): Promise<void> {
    const [oldest] = this.#staging;
    if (oldest === undefined) return;
    this.#staging.delete(oldest[0]);
    await this.run(`DROP TABLE IF EXISTS ${oldest[1]}`);
  }
}
