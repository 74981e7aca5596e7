import { ConnectorError } from '@sluice/core/driver';
import type { Client, QueryArrayConfig } from 'pg';
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
    const columns = fields.map(({ name, dataTypeID, dataTypeModifier }) => ({
      name,
      typeId: dataTypeID,
      typeModifier: dataTypeModifier,
    }));
    return { columns, rows };
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
