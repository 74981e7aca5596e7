import {
  type Harness,
  type NativeMessage,
  type PostgresServer,
  type PostgresVersion,
  type SinkPlace,
  startPostgres,
  uniqueName,
  type ValuePlace,
} from '@sluice/testkit';
import { type PostgresSinkConfig, postgres } from '../src/index.js';
import { harnessOf, using, wrongConfigs } from './postgres-harness.js';

/** A mode of the sink that is tested. */
export type SinkMode = Pick<PostgresSinkConfig, 'mode' | 'atomic'>;

const columns = { payload: 'payload', key: 'key', headers: 'headers', at: 'timestamp' };
const refusedText = 'the server refuses this';

/** Tables that hold every part of a message. */
export async function openSinkHarness(version: PostgresVersion, mode: SinkMode, kills?: number): Promise<Harness> {
  const server = await startPostgres({ version });
  return {
    ...harnessOf(server),
    connector: postgres.descriptor,
    module: { url: import.meta.resolve('@sluice/postgres'), name: 'postgres' },
    sink: {
      createPlace: () => createPlace(server, mode),
      createValuePlace: () => createValuePlace(server, mode),
      carries: {
        key: true,
        headers: 'repeated',
        timestamp: true,
        nullPayload: mode.mode === 'append', // elsewhere it deletes
        emptyPayload: true,
        anyByte: true,
        maxPayloadBytes: 500 * 1024 * 1024,
      },
      ...wrongConfigs(server, { table: 'not_there', columns, ...mode }),
      refused: () => ({ payload: Buffer.from(refusedText), key: Buffer.from('refused') }),
      isCommitRequest: (bytes) => holdsCommit(Buffer.from(bytes), mode),
      ...(kills === undefined ? {} : { kills }),
    },
  };
}

const copyDone = Buffer.from([0x63, 0, 0, 0, 4]);

/** A write of a plain sink may be a COPY alone, whose end commits it. */
function holdsCommit(bytes: Buffer, { atomic }: SinkMode): boolean {
  return bytes.includes('COMMIT') || (atomic === false && bytes.includes(copyDone));
}

async function createPlace(server: PostgresServer, mode: SinkMode): Promise<SinkPlace> {
  const table = uniqueName('place');
  await rowsOf(
    server,
    `CREATE TABLE "${table}" (n bigserial, key bytea ${mode.mode === 'append' ? '' : 'PRIMARY KEY'},
       payload bytea CHECK (payload <> '${refusedText}'), headers json, at timestamptz)`,
  );
  return {
    config: { url: server.url, table, columns, ...mode },
    stored: async () => [await storedIn(server, table)],
    remove: () => Promise.resolve(), // with the server
  };
}

interface StoredRow {
  readonly key: Buffer | null;
  readonly payload: Buffer | null;
  readonly headers: readonly (readonly [string, string])[];
  readonly at: Date | null;
}

async function storedIn(server: PostgresServer, table: string): Promise<NativeMessage[]> {
  const rows = await rowsOf<StoredRow>(server, `SELECT key, payload, headers, at FROM "${table}" ORDER BY n`);
  return rows.map(({ key, payload, headers, at }) => ({
    key,
    payload,
    // Bytes in JSON, as the JSON codec writes them.
    headers: headers.map(([name, value]) => [name, Buffer.from(value, 'base64')] as const),
    ...(at === null ? {} : { timestamp: at.getTime() }),
  }));
}

async function createValuePlace(server: PostgresServer, mode: SinkMode): Promise<ValuePlace> {
  const table = uniqueName('place');
  await rowsOf(
    server,
    `CREATE TABLE "${table}" (id int PRIMARY KEY, label text, amount numeric, raw bytea, at timestamptz, list int[], data jsonb)`,
  );
  const none = { label: null, amount: null, raw: null, at: null, list: null, data: null };
  return {
    config: { url: server.url, table, ...mode },
    values: [
      { ...none, id: 1, label: 'größer\t\\N\n', amount: '12345678901234567890.10', data: { a: [1, null, 'b'] } },
      { ...none, id: 2, raw: Buffer.from([0, 255]), at: new Date('2026-11-21T05:00:00.123Z'), list: [1, null, -3] },
      { ...none, id: 3, label: '', data: 'text' },
    ],
    refusedValue: { id: 'no number' },
    storedValues: () => rowsOf(server, `SELECT id, label, amount, raw, at, list, data FROM "${table}" ORDER BY id`),
    remove: () => Promise.resolve(),
  };
}

function rowsOf<R extends object>(server: PostgresServer, sql: string): Promise<R[]> {
  return using(server, async (client) => (await client.query<R>(sql)).rows);
}
