import { ConnectorError } from '@sluice/core/driver';
import type { Client, FieldDef, QueryArrayConfig } from 'pg';
import type Cursor from 'pg-cursor';
import { type ClientPurpose, openClient } from './client.js';
import type { PostgresConnectionSettings } from './config.js';
import { endClient, endsWithin } from './end-client.js';
import type { PostgresOptions } from './options.js';
import { textSettings } from './rows/column-types.js';

/** A row as the server sends it: the text of each value, or null. */
export type TextRow = readonly (string | null)[];

/** A column of an answer. */
export interface TextColumn {
  readonly name: string;
  readonly typeId: number;
  readonly typeModifier: number;
}

/** What a query gave. */
export interface TextRows {
  readonly columns: readonly TextColumn[];
  readonly rows: readonly TextRow[];
}

/** More than the server's own limit, after which it answers. */
const answerMs = 1000;

/** How many rows come at a time where it is not known whether they are enough: few at first, because they may be large. */
const partRows = { first: 10, most: 250 };

/** A connection that reads, and gives every value as the text that {@link textSettings} makes. */
export class TextClient {
  readonly client: Client;
  readonly #limitMs: number;
  #isOpen = true;
  #asking = 0;

  private constructor(client: Client, limitMs: number) {
    this.client = client;
    this.#limitMs = limitMs;
    client.once('end', () => {
      this.#isOpen = false;
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether something waits for an answer. */
  get isAsking(): boolean {
    return this.#asking > 0;
  }

  static async open(
    config: PostgresConnectionSettings,
    options: PostgresOptions,
    purpose: Pick<ClientPurpose, 'name' | 'signal'>,
  ): Promise<TextClient> {
    const types = { getTypeParser: () => (text: string | Buffer) => text };
    const serverSettings = { ...textSettings, default_transaction_read_only: 'on' };
    const client = await openClient(config, options, { ...purpose, settings: { types }, serverSettings });
    const { statementTimeoutMs } = config;
    return new TextClient(client, statementTimeoutMs === 0 ? 0 : statementTimeoutMs + answerMs);
  }

  /** Runs SQL that holds no values. */
  async run(sql: string): Promise<void> {
    await this.#answered(this.client.query(sql));
  }

  async query(text: string, values: readonly unknown[] = []): Promise<TextRows> {
    // One statement and no more, whatever stands in it. pg knows the mode; its types do not.
    const asked = { text, values: [...values], rowMode: 'array', queryMode: 'extended' } as QueryArrayConfig;
    const asking = this.client.query<(string | null)[]>(asked);
    const { fields, rows } = await this.#answered(asking);
    return { columns: columnsOf(fields), rows };
  }

  /**
   * The first rows of an answer, until they are enough. They come in parts, so that one part too many is all that is held.
   *
   * @param isEnough is told each part
   */
  async some(
    text: string,
    values: readonly unknown[],
    isEnough: (part: readonly TextRow[]) => boolean,
  ): Promise<TextRows & { readonly isAll: boolean }> {
    const { default: Cursor } = await import('pg-cursor');
    const cursor = this.client.query(new Cursor<TextRow>(text, [...values], { rowMode: 'array' }));
    const rows: TextRow[] = [];
    for (let wanted = partRows.first; ; wanted = Math.min(2 * wanted, partRows.most)) {
      const { columns, rows: part } = await this.#answered(nextPart(cursor, wanted));
      rows.push(...part);
      if (part.length < wanted) return { columns, rows, isAll: true };
      if (!isEnough(part)) continue;
      await this.#answered(this.#closed(cursor));
      return { columns, rows, isAll: false };
    }
  }

  /** The first row of an answer, by the names of its columns. */
  async one(
    text: string,
    values: readonly unknown[] = [],
  ): Promise<Readonly<Record<string, string | null>> | undefined> {
    const { columns, rows } = await this.query(text, values);
    const [row] = rows;
    return row && Object.fromEntries(columns.map(({ name }, index) => [name, row[index] ?? null]));
  }

  /** Breaks the connection, and with it whatever waits for an answer. */
  break(): void {
    this.#isOpen = false;
    this.client.connection.stream.destroy();
  }

  async close(): Promise<void> {
    await endClient(this.client);
  }

  /** Rejects when the connection is lost, which a cursor that is being closed does not hear of. */
  #closed(cursor: Cursor<TextRow>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const lost = (): void => reject(new ConnectorError('not_connected', 'the connection was lost'));
    if (!this.#isOpen) lost();
    this.client.once('end', lost);
    cursor.close().then(resolve, reject);
    return promise.finally(() => this.client.off('end', lost));
  }

  /** A server that is gone without a word would be waited for without end. */
  async #answered<T>(asking: Promise<T>): Promise<T> {
    this.#asking++;
    try {
      if (this.#limitMs === 0 || (await endsWithin(this.#limitMs, asking))) return await asking;
    } finally {
      this.#asking--;
    }
    this.break();
    asking.catch(() => undefined); // says only that the connection is closed
    throw new ConnectorError('not_connected', `the server has not answered within ${this.#limitMs} ms`);
  }
}

function columnsOf(fields: readonly FieldDef[]): readonly TextColumn[] {
  return fields.map(({ name, dataTypeID, dataTypeModifier }) => ({
    name,
    typeId: dataTypeID,
    typeModifier: dataTypeModifier,
  }));
}

function nextPart(cursor: Cursor<TextRow>, wanted: number): Promise<TextRows> {
  return new Promise((resolve, reject) => {
    cursor.read(wanted, (error, rows, result) => {
      if (error) reject(error);
      else resolve({ columns: columnsOf(result.fields), rows });
    });
  });
}
