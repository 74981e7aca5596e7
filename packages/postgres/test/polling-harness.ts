import {
  type Carries,
  type Harness,
  type PostgresServer,
  type PostgresVersion,
  type SourceHarness,
  startPostgres,
  uniqueName,
} from '@sluice/testkit';
import { postgres } from '../src/index.js';
import type { PostgresSourceConfig } from '../src/source-config.js';
import { rowConnector } from './change-connector.js';
import { carriesRows, harnessOf, patience, uniqueIdentifier, using, wrongConfigs } from './postgres-harness.js';

/** Kinds of sources that do without a slot. */
export type PollingKind = 'bounded' | 'tailing' | 'woken' | 'notified';

const onePartition = { because: 'there is one partition' };

const carriesPolled: Carries = { ...carriesRows, key: false }; // a row has its own
const carriesTexts: Carries = { ...carriesPolled, nullPayload: false, anyByte: false, maxPayloadBytes: 7999 };

/** The harness of `mode: poll` or `mode: listen`. */
export async function openPollingHarness(version: PostgresVersion, kind: PollingKind): Promise<Harness> {
  const server = await startPostgres({ version });
  const isNotified = kind === 'notified';
  // Channels are not known before somebody listens; tables are what can be discovered.
  await using(server, (client) => client.query('create table if not exists something (id int primary key)'));
  return {
    ...harnessOf(server),
    connector: isNotified ? postgres.descriptor : rowConnector.descriptor,
    module: isNotified
      ? { url: import.meta.resolve('@sluice/postgres'), name: 'postgres' }
      : { url: new URL('change-connector.ts', import.meta.url).href, name: 'rowConnector' },
    source: isNotified ? notifications(server) : rows(server, kind),
  };
}

function rows(server: PostgresServer, kind: 'bounded' | 'tailing' | 'woken'): SourceHarness {
  const configOf = (table: string): PostgresSourceConfig => {
    const base = { ...patience, url: server.url, table, cursor: 'id' };
    return kind === 'woken'
      ? { ...base, mode: 'listen', channels: [`Of ${table}`], install: true, pingIntervalMs: 500 }
      : { ...base, mode: 'poll', bounded: kind === 'bounded', intervalMs: 50 };
  };
  return {
    carries: carriesPolled,
    ...wrongConfigs(server, configOf('nowhere')),
    livenessTimeoutMs: { because: 'the server waits for a client without end' },
    createPlace: async () => {
      const table = uniqueIdentifier('rows');
      const run = (sql: string): Promise<unknown> => using(server, (client) => client.query(sql));
      await run(`create table "${table}" (id bigserial primary key, payload bytea)`);
      return {
        config: configOf(table),
        partitions: [''],
        produce: (messages) =>
          using(server, async (client) => {
            for (const { payload } of messages)
              await client.query(`insert into "${table}" (payload) values ($1)`, [payload]);
          }),
        committed: { because: 'the engine keeps the position' },
        discard: { because: 'a row that is gone is no gap' },
        addPartition: onePartition,
        takeAway: onePartition,
        remove: async () => void (await run(`drop table "${table}"`)),
      };
    },
  };
}

function notifications(server: PostgresServer): SourceHarness {
  const base: PostgresSourceConfig = {
    ...patience,
    mode: 'listen',
    channels: ['nobody'],
    url: server.url,
    pingIntervalMs: 500,
  };
  return {
    carries: carriesTexts,
    ...wrongConfigs(server, base),
    missing: { because: 'a channel is there when somebody listens' },
    livenessTimeoutMs: { because: 'the server waits for a client without end' },
    createPlace: async () => {
      const channel = uniqueName('channel');
      return {
        config: { ...base, channels: [channel] },
        partitions: [''],
        produce: (messages) =>
          using(server, async (client) => {
            for (const { payload } of messages)
              await client.query('select pg_notify($1, $2)', [channel, Buffer.from(payload ?? []).toString()]);
          }),
        committed: { because: 'nobody keeps a position' },
        discard: { because: 'nobody keeps a position' },
        addPartition: onePartition,
        takeAway: onePartition,
        remove: async () => undefined,
      };
    },
  };
}
