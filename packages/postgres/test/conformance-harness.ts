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
import type { CdcSourceConfig } from '../src/changes/cdc-config.js';
import { changeConnector } from './change-connector.js';

const carries: Carries = {
  key: true,
  headers: 'none', // those of a change are its transaction's
  timestamp: false,
  nullPayload: true,
  emptyPayload: true,
  anyByte: true,
  maxPayloadBytes: 100_000_000,
};

const wrongPassword = 'wrong-horse-staple';
const walSenderTimeoutMs = 2000;
/** Less than the suite lets the engine wait. */
const patience = { connectTimeoutMs: 1000, statementTimeoutMs: 2000, statusIntervalMs: 300 };

/** The harness of `mode: cdc`. */
export async function openCdcHarness(version: PostgresVersion): Promise<Harness> {
  const server = await startPostgres({ version, settings: { wal_sender_timeout: `${walSenderTimeoutMs}ms` } });
  return {
    connector: changeConnector.descriptor,
    module: { url: new URL('change-connector.ts', import.meta.url).href, name: 'changeConnector' },
    source: sourceHarness(server.url, server.directUrl, () => server.connect()),
    faults: serverFaults(server),
    secrets: [wrongPassword],
    close: () => server.stop(),
  };
}

function sourceHarness(url: string, directUrl: string, connect: () => Promise<Client>): SourceHarness {
  const base = { mode: 'cdc', snapshot: 'never', slot: 'nowhere', publication: 'nowhere', ...patience } as const;
  return {
    carries,
    missing: { config: { ...base, url: directUrl } },
    wrongCredentials: { config: { ...base, url: directUrl, password: wrongPassword } },
    unreachable: { config: { ...base, url: 'postgresql://app@127.0.0.1:9/app' } },
    livenessTimeoutMs: walSenderTimeoutMs,
    createPlace: async () => {
      const name = uniqueName('changes')
        .toLowerCase()
        .replaceAll(/[^a-z0-9_]/g, '_');
      await using(connect, async (client) => {
        await client.query(`create table ${name} (id bigserial primary key, key bytea, payload bytea)`);
        await client.query(`create publication ${name} for table ${name}`);
        await client.query(`select pg_create_logical_replication_slot('${name}', 'pgoutput')`);
      });
      const config: CdcSourceConfig = { ...base, url, slot: name, publication: name };
      const onePartition = { because: 'the log of changes is one partition' };
      return {
        config,
        partitions: ['changes'],
        produce: (messages) =>
          using(connect, async (client) => {
            for (const { key, payload } of messages)
              await client.query(`insert into ${name} (key, payload) values ($1, $2)`, [key ?? null, payload]);
          }),
        committed: { because: 'a slot counts no messages, and learns only ends of transactions' },
        discard: { because: 'the server forgets nothing of a slot that is being read' },
        addPartition: onePartition,
        takeAway: onePartition,
        remove: () => using(connect, (client) => remove(client, name)),
      };
    },
  };
}

async function remove(client: Client, name: string): Promise<void> {
  await client.query(`drop publication ${name}`);
  await client.query(`drop table ${name}`);
  const slots = 'pg_replication_slots where slot_name = $1';
  for (let isThere = true; isThere; ) {
    await client.query(`select pg_terminate_backend(active_pid) from ${slots} and active`, [name]);
    await client.query(`select pg_drop_replication_slot(slot_name) from ${slots} and not active`, [name]);
    isThere = (await client.query(`select from ${slots}`, [name])).rowCount !== 0;
  }
}

async function using<T>(connect: () => Promise<Client>, task: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect();
  try {
    return await task(client);
  } finally {
    await client.end();
  }
}
