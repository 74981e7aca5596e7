import { type PostgresServer, type PostgresVersion, startPostgres } from '@sluice/testkit';
import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChangesConfig } from '../src/changes/cdc-config.js';
import { postgres } from '../src/connector.js';
import { openCdc, patience, Reader, testContext } from './cdc.js';
import { column, readAll, refusal } from './poll.js';
import { readAll as readRows } from './snapshot.js';

const refused = { code: 'unsupported', message: expect.stringContaining('standby') };

interface Standby {
  readonly url: string;
  /** A config that reads the changes of it. */
  changes(given?: Partial<ChangesConfig>): ChangesConfig;
}

function useStandby(version: PostgresVersion): Standby {
  let server: PostgresServer;
  let url: string;
  beforeAll(async () => {
    server = await startPostgres({ version });
    ({ url } = server);
    const native: Client = await server.connect();
    await native.query('create table rows (id int primary key); create publication changes for table rows');
    await native.query(`select pg_create_logical_replication_slot('changes', 'pgoutput')`);
    await native.query('insert into rows values (1), (2)');
    // A standby is a server that finds this file, also if there is nothing that it could follow.
    await native.query(`do $$ begin
      execute format('copy (select) to %L', current_setting('data_directory') || '/standby.signal'); end $$`);
    await native.end();
    await server.restart();
  });
  afterAll(() => server?.stop());
  return {
    get url() {
      return url;
    },
    changes: (given) => {
      const names = { slot: 'changes', publication: 'changes' };
      return { url, mode: 'cdc', snapshot: 'never', ...names, ...given };
    },
  };
}

describe('a standby', () => {
  const standby = useStandby(18);
  const { changes } = standby;

  it('refuses to be polled by a cursor, because open transactions cannot be seen there', async () => {
    for (const polled of [{ table: 'rows' }, { query: 'select * from rows', key: ['id'] }]) {
      const config = { url: standby.url, mode: 'poll', cursor: 'id', ...polled } as const;
      expect(await refusal(config)).toMatchObject(refused);
      await expect(postgres.source(config).check()).rejects.toMatchObject(refused);
    }
    const listening = { url: standby.url, mode: 'listen', channels: ['rows'] } as const;
    expect(await refusal({ ...listening, table: 'rows', cursor: 'id' })).toMatchObject(refused);
    expect(await refusal(listening)).toMatchObject(refused);
    await expect(postgres.source(listening).check()).rejects.toMatchObject(refused);
  });

  it('gives all rows, again and again or once', async () => {
    const full = await readAll({ url: standby.url, mode: 'poll', table: 'rows', refresh: 'full', bounded: true });
    expect(column(full, 'id')).toEqual([1, 2]);
    const batches = await readRows({ url: standby.url, mode: 'cdc', snapshot: 'only', tables: ['rows'] });
    expect(batches.flatMap(({ messages }) => messages).map(({ payload }) => payload)).toEqual([{ id: 1 }, { id: 2 }]);
  });

  it('refuses rows with their changes, because it cannot tell what a snapshot sees', async () => {
    const config = changes({ snapshot: 'initial' });
    expect(await refusal(config, { partition: 'snapshot' })).toMatchObject(refused);
    await expect(postgres.source({ ...config, slot: 'other', create: true }).check()).rejects.toMatchObject(refused);
  });

  it('gives the changes of a slot', async () => {
    await postgres.source(changes()).check();
    const driver = await openCdc(changes());
    expect((await new Reader(driver).take(2)).map(({ payload }) => payload)).toEqual([{ id: 1 }, { id: 2 }]);
  });

  it('says what a slot that is to be made waits for', async () => {
    const context = testContext();
    const reader = new Reader(await openCdc(changes({ slot: 'other', create: true }), context));
    await expect.poll(() => context.notices.join(), patience).toContain('pg_log_standby_snapshot()');
    // This primary never tells.
    await reader.stop();
  });

  it('says that a publication is made on the primary', async () => {
    const config = changes({ publication: 'missing', create: true });
    const missing = { code: 'not_found', message: expect.stringContaining('Make it on the primary') };
    expect(await refusal(config)).toMatchObject(missing);
    await expect(postgres.source(config).check()).rejects.toMatchObject(missing);
  });
});

describe('a standby of Postgres 15', () => {
  const { changes } = useStandby(15);

  it('refuses changes, which it does not decode', async () => {
    expect(await refusal(changes())).toMatchObject(refused);
    await expect(postgres.source(changes()).check()).rejects.toMatchObject(refused);
  });
});
