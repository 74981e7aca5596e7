import {
  type Harness,
  type PostgresServer,
  type PostgresVersion,
  type SourceHarness,
  startPostgres,
} from '@sluice/testkit';
import type { Client } from 'pg';
import type { CdcSourceConfig } from '../src/changes/cdc-config.js';
import { changeConnector } from './change-connector.js';
import { joinedConnector } from './joined-connector.js';
import {
  carriesRows,
  harnessOf,
  insertRows,
  patience,
  uniqueIdentifier,
  using,
  wrongConfigs,
} from './postgres-harness.js';

const walSenderTimeoutMs = 2000;

/** The harness of `mode: cdc`, with the rows that are there or without them. */
export async function openCdcHarness(version: PostgresVersion, snapshot: 'initial' | 'never'): Promise<Harness> {
  const server = await startPostgres({ version, settings: { wal_sender_timeout: `${walSenderTimeoutMs}ms` } });
  return {
    ...harnessOf(server),
    ...(snapshot === 'never'
      ? {
          connector: changeConnector.descriptor,
          module: { url: new URL('change-connector.ts', import.meta.url).href, name: 'changeConnector' },
        }
      : {
          connector: joinedConnector.descriptor,
          module: { url: new URL('joined-connector.ts', import.meta.url).href, name: 'joinedConnector' },
        }),
    source: sourceHarness(server, snapshot),
  };
}

function sourceHarness(server: PostgresServer, snapshot: 'initial' | 'never'): SourceHarness {
  const base = { mode: 'cdc', snapshot, ...patience, statusIntervalMs: 300 } as const;
  return {
    carries: carriesRows,
    ...wrongConfigs(server, { ...base, slot: 'nowhere', publication: 'nowhere' }),
    livenessTimeoutMs: walSenderTimeoutMs,
    createPlace: async () => {
      const name = uniqueIdentifier('changes');
      await using(server, async (client) => {
        await client.query(`create table ${name} (id bigserial primary key, key bytea, payload bytea)`);
        await client.query(`create publication ${name} for table ${name}`);
        if (snapshot === 'never')
          await client.query(`select pg_create_logical_replication_slot('${name}', 'pgoutput')`);
      });
      const config: CdcSourceConfig = {
        ...base,
        url: server.url,
        slot: name,
        publication: name,
        create: snapshot === 'initial',
      };
      const onePartition = { because: 'the log of changes is one partition' };
      return {
        config,
        partitions: [snapshot === 'never' ? 'changes' : ''],
        produce: (messages) => insertRows(server, name, messages),
        committed: { because: 'a slot counts no messages, and learns only ends of transactions' },
        discard: { because: 'the server forgets nothing of a slot that is being read' },
        addPartition: onePartition,
        takeAway: onePartition,
        remove: () => using(server, (client) => remove(client, name)),
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
