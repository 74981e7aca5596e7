import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import {
  type Checkpoint,
  type Connector,
  ConnectorError,
  type DriverContext,
  defineConnector,
  type Message,
  type SinkDriver,
  type StoredPosition,
  toNullableBytes,
  z,
} from '@sluice/core/driver';

const config = z.strictObject({
  path: z.string().describe('The database file.'),
  atomic: z.boolean().default(true).describe('Whether positions are stored together with the messages.'),
});

/** One thing that is wrong with it. */
export type SqliteFault = 'checkpoint before data' | 'data before checkpoint' | 'answer before data';

/** A real system for tests that kill processes: a sink into a table of an SQLite database. */
export const sqlite: Connector<typeof config, unknown, typeof config, unknown> = sqliteConnector();

export function sqliteConnector(fault?: SqliteFault): typeof sqlite {
  return defineConnector({
    name: 'sqlite',
    title: 'SQLite',
    contract: 1,
    sink: {
      config,
      capabilities: ({ atomic }) => ({
        atomic,
        idempotent: false,
        overlap: 'none',
        payload: 'bytes',
        changes: false,
        preferred: { maxMessages: 1000, maxBytes: 1024 * 1024, maxInFlight: 1 },
      }),
      open: ({ path, atomic }, _options, context) => {
        const table = openTable(openDatabase(path));
        return Promise.resolve(
          atomic ? openAtomicSink(table, context, fault) : openPlainSink(table, fault === 'answer before data'),
        );
      },
    },
  });
}

/** Opens or makes the database. A process that dies leaves what it has committed: no sync is needed for that. */
export function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA busy_timeout = 5000; PRAGMA synchronous = OFF;
    CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, payload BLOB, key BLOB, headers TEXT, timestamp INTEGER);
    CREATE TABLE IF NOT EXISTS position (
      pipeline TEXT, partition TEXT, fence INTEGER, stored TEXT, PRIMARY KEY (pipeline, partition));`);
  return database;
}

interface Table {
  readonly database: DatabaseSync;
  transaction<T>(action: () => Promise<T>): Promise<T>;
  /** In turns, so that a crash can fall between any two. */
  store(messages: readonly Message[]): Promise<void>;
}

/**
 * Begins when nobody else writes. SQLite's own wait would stop the whole process, and with it another instance in this
 * process that is about to commit.
 */
async function begin(database: DatabaseSync): Promise<void> {
  database.exec('PRAGMA busy_timeout = 0');
  try {
    for (let tries = 0; !beginsAtOnce(database, tries < 1000); tries++) await delay(5);
  } finally {
    database.exec('PRAGMA busy_timeout = 5000');
  }
}

function beginsAtOnce(database: DatabaseSync, mayWait: boolean): boolean {
  try {
    database.exec('BEGIN IMMEDIATE');
    return true;
  } catch (error) {
    if (mayWait && error instanceof Error && error.message === 'database is locked') return false;
    throw error;
  }
}

function openTable(database: DatabaseSync): Table {
  const insert = database.prepare('INSERT INTO message (payload, key, headers, timestamp) VALUES (?, ?, ?, ?)');
  return {
    database,
    async transaction(action) {
      await begin(database);
      try {
        const result = await action();
        database.exec('COMMIT');
        return result;
      } catch (error) {
        database.exec('ROLLBACK');
        throw error;
      }
    },
    async store(messages) {
      for (const { payload, key, headers, timestamp } of messages) {
        const texts = headers.map(([name, value]) => [
          name,
          Buffer.from(toNullableBytes(value) ?? []).toString('base64'),
        ]);
        insert.run(toNullableBytes(payload), toNullableBytes(key), JSON.stringify(texts), timestamp ?? null);
        await setImmediate();
      }
    },
  };
}

/** Stores each write at once. */
function openPlainSink({ database, transaction, store }: Table, answersEarly: boolean): SinkDriver {
  let storing: Promise<void> = Promise.resolve();
  return {
    async write({ messages }) {
      storing = storing.then(() => transaction(() => store(messages)));
      if (!answersEarly) await storing;
    },
    async close() {
      await storing;
      if (database.isOpen) database.close();
    },
  };
}

function openAtomicSink(
  { database, transaction, store }: Table,
  { pipeline }: Pick<DriverContext, 'pipeline'>,
  fault: SqliteFault | undefined,
): SinkDriver {
  const fences = new Map<string, number>();
  let staged: readonly Message[] = [];

  const move = database.prepare('UPDATE position SET stored = ? WHERE pipeline = ? AND partition = ?');
  const look = database.prepare('SELECT fence, stored FROM position WHERE pipeline = ? AND partition = ?');
  const raise = database.prepare(`INSERT INTO position (pipeline, partition, fence) VALUES (?, ?, 1)
    ON CONFLICT DO UPDATE SET fence = fence + 1`);

  function checkFences(partitions: Iterable<string>): void {
    for (const partition of partitions) {
      if (partition === '' || look.get(pipeline, partition)?.['fence'] === fences.get(partition)) continue;
      throw new ConnectorError('fenced', `partition "${partition}" was claimed by a newer instance`);
    }
  }

  /** As far apart as two requests to a server are. */
  async function beginAnother(): Promise<void> {
    database.exec('COMMIT');
    await delay(5);
    await begin(database);
  }

  async function record(checkpoint: Checkpoint): Promise<void> {
    for (const [partition, stored] of Object.entries(checkpoint)) {
      move.run(JSON.stringify(stored), pipeline, partition);
      await setImmediate();
    }
  }

  return {
    write({ messages, slices }) {
      checkFences(slices.map(({ partition }) => partition));
      staged = [...staged, ...messages];
      return Promise.resolve();
    },
    async flush(checkpoint) {
      const taken = staged;
      staged = [];
      const steps = [() => store(taken), () => record(checkpoint)];
      if (fault === 'checkpoint before data') steps.reverse();
      await transaction(async () => {
        checkFences(fences.keys());
        for (const step of steps) {
          await step();
          if (fault !== undefined) await beginAnother();
        }
      });
    },
    claim: (partitions) =>
      transaction(async () => {
        staged = [];
        const claimed: Record<string, StoredPosition> = {};
        for (const partition of partitions) {
          raise.run(pipeline, partition);
          const row = look.get(pipeline, partition);
          fences.set(partition, Number(row?.['fence']));
          const stored = row?.['stored'];
          // Written by `record`.
          if (typeof stored === 'string') claimed[partition] = JSON.parse(stored) as StoredPosition;
          await setImmediate();
        }
        return claimed;
      }),
    close() {
      if (database.isOpen) database.close();
      return Promise.resolve();
    },
  };
}
