import type { CheckpointClaim, CheckpointStore } from '@sluice/core';
import { type Checkpoint, ConnectorError, isConnectorError, parseConfig, wrapError, z } from '@sluice/core/driver';
import { openClient } from '../client.js';
import {
  checkConnection,
  connectionFields,
  type PostgresConnectionConfig,
  type PostgresConnectionSettings,
} from '../config.js';
import { classifyPostgresError } from '../error.js';
import { quotedTable } from '../identifier.js';
import type { PostgresOptions } from '../options.js';
import { Session } from './session.js';

/** Where {@link postgresCheckpoints} keeps them. */
export interface PostgresCheckpointsConfig extends PostgresConnectionConfig {
  /** Table with a row for each pipeline, made when it is missing. Default `sluice_checkpoints`. */
  readonly table?: string | undefined;
}

interface StoreSettings extends PostgresConnectionSettings {
  readonly table: string;
}

const storeConfig: z.ZodType<StoreSettings, PostgresCheckpointsConfig> = z
  .strictObject({ ...connectionFields, table: z.string().min(1).default('sluice_checkpoints') })
  .superRefine(checkConnection);

/**
 * Keeps checkpoints in a table of Postgres, for pipelines whose sink does not keep them itself: one row for each pipeline, with
 * its checkpoint as JSON and a fence.
 *
 * A claim raises the fence, so that whoever claimed before is refused with `fenced` at its next save. A connection that breaks is made
 * again for the next call. A save whose answer was lost may be repeated: it replaces the whole checkpoint.
 *
 * @throws {ConnectorError} `config_invalid` with every problem of the config
 */
export function postgresCheckpoints(config: PostgresCheckpointsConfig, options: PostgresOptions = {}): CheckpointStore {
  const settings = parseConfig(storeConfig, config, 'postgres checkpoints');
  const name = quotedTable(settings.table);
  const connection = new StoreConnection(settings, options, name);
  return {
    description: `postgres table ${settings.table}`,
    durable: true,
    load: async (pipeline) => (await connection.read(pipeline))?.checkpoint ?? {},
    claim: async (pipeline) => await claimRow(connection, name, pipeline),
    close: () => connection.close(),
  };
}

interface StoredRow {
  readonly fence: string;
  readonly checkpoint: Checkpoint;
}

/** A connection that is made when it is needed, and the table. */
class StoreConnection {
  readonly #settings: StoreSettings;
  readonly #options: PostgresOptions;
  readonly #name: string;
  #session: Promise<Session> | undefined;

  constructor(settings: StoreSettings, options: PostgresOptions, name: string) {
    this.#settings = settings;
    this.#options = options;
    this.#name = name;
  }

  /** Calls `action` with a session; the next call gets a new one if it fails. */
  async use<T>(operation: string, action: (session: Session) => Promise<T>): Promise<T> {
    this.#session ??= this.#open();
    const opening = this.#session;
    try {
      return await action(await opening);
    } catch (error) {
      if (isConnectorError(error)) throw error;
      this.#session = undefined;
      await opening.then((session) => session.close()).catch(() => undefined); // It never opened.
      throw wrapError(error, classifyPostgresError, { connector: 'postgres checkpoints', operation });
    }
  }

  async read(pipeline: string): Promise<StoredRow | undefined> {
    return await this.use('read', async (session) => {
      const { rows } = await session.query<StoredRow>(
        `SELECT fence, checkpoint FROM ${this.#name} WHERE pipeline = $1`,
        [pipeline],
      );
      return rows[0];
    });
  }

  async close(): Promise<void> {
    const opening = this.#session;
    this.#session = undefined;
    await opening?.then((session) => session.close()).catch(() => undefined); // It never opened.
  }

  async #open(): Promise<Session> {
    const session = new Session(await openClient(this.#settings, this.#options, { name: 'sluice checkpoints' }));
    await session.run(`CREATE TABLE IF NOT EXISTS ${this.#name} (
      pipeline text PRIMARY KEY,
      fence bigint NOT NULL,
      checkpoint json NOT NULL,
      saved_at timestamptz NOT NULL DEFAULT now())`);
    return session;
  }
}

async function claimRow(connection: StoreConnection, name: string, pipeline: string): Promise<CheckpointClaim> {
  const { fence, checkpoint } = await connection.use('claim', async (session) => {
    const { rows } = await session.query<StoredRow>(
      `INSERT INTO ${name} AS stored (pipeline, fence, checkpoint) VALUES ($1, 1, '{}')
       ON CONFLICT (pipeline) DO UPDATE SET fence = stored.fence + 1 RETURNING fence, checkpoint`,
      [pipeline],
    );
    const [row] = rows;
    if (row === undefined) throw new ConnectorError('internal', `${name} took no row for pipeline "${pipeline}"`);
    return row;
  });
  return {
    checkpoint,
    save: async (next) => {
      await connection.use('save', async (session) => {
        const { rowCount } = await session.query(
          `UPDATE ${name} SET checkpoint = $3, saved_at = now() WHERE pipeline = $1 AND fence = $2`,
          [pipeline, fence, JSON.stringify(next)],
        );
        if (rowCount === 1) return;
        throw new ConnectorError(
          'fenced',
          `another instance of pipeline "${pipeline}" has claimed its checkpoint in ${name}. Run one instance.`,
        );
      });
    },
    release: async () => undefined,
  };
}
