import type { Client, QueryResult, QueryResultRow } from 'pg';
import { breakAtAbort } from '../break-at-abort.js';
import { endClient } from '../end-client.js';
import { quoted, quotedList } from '../identifier.js';
import { CopyQuery } from './copy-query.js';

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

  /**
   * Runs SQL that holds no values; several statements are run in one go.
   *
   * @param onSent is called when it is on its way
   */
  async run(sql: string, onSent?: () => void): Promise<void> {
    const done = this.client.query(sql);
    onSent?.();
    await done;
  }

  query<R extends QueryResultRow>(sql: string, values: readonly unknown[]): Promise<QueryResult<R>> {
    return this.client.query<R>(sql, [...values]);
  }

  /**
   * Runs statements of which one is a COPY from here.
   *
   * @param onSent is called when all of its rows are on their way
   */
  async copy(sql: string, chunks: readonly Uint8Array[], onSent?: () => void): Promise<void> {
    await this.client.query(new CopyQuery(sql, chunks, onSent)).done;
  }

  /**
   * A temporary table of this connection with these columns of a table, without its constraints, and what makes it where it is
   * not there; empty when it was emptied after its last use.
   *
   * @param place a further column, for numbers
   */
  stagingTable(
    table: string,
    columns: readonly string[],
    place?: string,
  ): { readonly name: string; readonly statements: string[] } {
    const id = JSON.stringify([table, place, ...columns]);
    const selected = quotedList(columns) + (place === undefined ? '' : `, 0 AS ${quoted(place)}`);
    const name = this.#staging.get(id) ?? `pg_temp.${quoted(`sluice_${this.#stagingCount++}`)}`;
    const statements: string[] = [];
    const [oldest] = this.#staging;
    if (!this.#staging.has(id) && this.#staging.size >= maxStagingTables && oldest !== undefined) {
      this.#staging.delete(oldest[0]);
      statements.push(`DROP TABLE IF EXISTS ${oldest[1]}`);
    }
    this.#staging.set(id, name);
    // Made again where a rollback has undone it.
    statements.push(`CREATE TEMP TABLE IF NOT EXISTS ${name} AS SELECT ${selected} FROM ${table} WITH NO DATA`);
    return { name, statements };
  }

  /** What was known of tables may not be so any more. */
  forget(): void {
    this.#staging.clear();
  }

  /** Calls `action`, and breaks the connection when it is aborted: the server then undoes what is not committed. */
  async guarded<T>(signal: AbortSignal, action: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    try {
      return await breakAtAbort(this.client, signal, action);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  }

  async close(): Promise<void> {
    await endClient(this.client);
  }
}
