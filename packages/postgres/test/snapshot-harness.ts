import {
  type Carries,
  type Harness,
  type PostgresVersion,
  type SourceHarness,
  serverFaults,
  startPostgres,
  uniqueName,
} from '@sluice/testkit';
import type { Client } from 'pg';
import { rowsConnector } from './rows-connector.js';

const carries: Carries = {
  key: true,
  headers: 'none', // those of a row are its snapshot's
  timestamp: false,
  nullPayload: true,
  emptyPayload: true,
  anyByte: true,
  maxPayloadBytes: 100_000_000,
};

const wrongPassword = 'wrong-horse-staple';
/** Less than the suite lets the engine wait. */
const patience = { connectTimeoutMs: 1000, statementTimeoutMs: 2000 };

/** The harness of `snapshot: only`: a table for each partition. */
export async function openSnapshotHarness(version: PostgresVersion): Promise<Harness> {
  const server = await startPostgres({ version });
  return {
    connector: rowsConnector.descriptor,
    module: { url: new URL('rows-connector.ts', import.meta.url).href, name: 'rowsConnector' },
    source: sourceHarness(server.url, server.directUrl, () => server.connect()),
    faults: serverFaults(server),
    secrets: [wrongPassword],
    close: () => server.stop(),
  };
}

function sourceHarness(url: string, directUrl: string, connect: () => Promise<Client>): SourceHarness {
  const base = { mode: 'cdc', snapshot: 'only', tables: ['nowhere'], ...patience } as const;
  return {
    carries,
    missing: { config: { ...base, url: directUrl } },
    wrongCredentials: { config: { ...base, url: directUrl, password: wrongPassword } },
    unreachable: { config: { ...base, url: 'postgresql://app@127.0.0.1:9/app' } },
    livenessTimeoutMs: { because: 'the server waits for a reader as long as it takes' },
    createPlace: async (count) => {
      const name = uniqueName('rows')
        .toLowerCase()
        .replaceAll(/[^a-z0-9_]/g, '_');
      const tables = Array.from({ length: count }, (_, index) => `${name}_${index}`);
      const all = (sql: (table: string) => string): Promise<void> =>
        using(connect, async (client) => {
          for (const table of tables) await client.query(sql(table));
        });
      await all((table) => `create table ${table} (id bigserial primary key, key bytea, payload bytea)`);
      const partitionOf = (table: string): string => `public.${table}/1`;
      const fixed = { because: 'what is read is fixed when reading begins' };
      return {
        config: { ...base, url, tables },
        partitions: tables.map(partitionOf),
        produce: (messages, partition) =>
          using(connect, async (client) => {
            const table = tables.find((each) => partitionOf(each) === partition) ?? tables[0];
            for (const { key, payload } of messages)
              await client.query(`insert into ${table} (key, payload) values ($1, $2)`, [key ?? null, payload]);
          }),
        committed: { because: 'the server is not told' },
        discard: { because: 'a row that was deleted leaves no gap: the next key is read' },
        addPartition: fixed,
        takeAway: fixed,
        remove: () => all((table) => `drop table ${table}`),
      };
    },
  };
}

async function using<T>(connect: () => Promise<Client>, task: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect();
  try {
    return await task(client);
  } finally {
    await client.end();
  }
}
