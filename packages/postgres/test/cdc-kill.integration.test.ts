import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type PostgresServer, type PostgresVersion, startPostgres } from '@sluice/testkit';
import type { Client } from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import type { ChildOrder } from './cdc-child.js';
import { changeTable, changingColumns } from './changing-table.js';

const patience = { timeout: 60_000, interval: 50 };

/** A server with a table, one that mirrors it, and what a pipeline between them is told. */
interface Stage {
  readonly server: PostgresServer;
  readonly native: Client;
  readonly order: ChildOrder;
  run(): ChildProcess;
  /** Everything that a table holds, as one digest. */
  digest(table: string): Promise<unknown>;
}

async function stageOf(version: PostgresVersion, settings: Record<string, string>): Promise<Stage> {
  const server = await startPostgres({ version, settings });
  onTestFinished(() => server.stop());
  const native = await server.connect();
  onTestFinished(() => native.end());
  for (const table of ['source', 'target']) await native.query(`create table ${table} (${changingColumns})`);
  const url = server.directUrl;
  const order: ChildOrder = {
    name: 'kill',
    source: {
      url,
      mode: 'cdc',
      snapshot: 'never',
      slot: 'kill',
      publication: 'kill',
      tables: ['source'],
      create: true,
    },
    sink: { url, table: 'target', mode: 'mirror', key: ['a', 'b'], statementTimeoutMs: 0 },
  };
  const run = (): ChildProcess => {
    const child = spawn(process.execPath, [new URL('cdc-child.ts', import.meta.url).pathname, JSON.stringify(order)], {
      stdio: 'inherit',
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    return child;
  };
  const digest = async (table: string): Promise<unknown> => {
    const sql = `select count(*), sum(hashtextextended(t::text, 0)) as sum from ${table} t`;
    return (await native.query(sql)).rows[0];
  };
  return { server, native, order, run, digest };
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

async function expectMirrored({ native, digest }: Stage): Promise<void> {
  await native.query(`insert into source values (-1, 'last', 0, '') on conflict (a, b) do update set n = source.n + 1`);
  await expect.poll(() => digest('target'), patience).toEqual(await digest('source'));
}

const pauseMs = 60_000;

/** The sink stands still for a minute behind a lock, on a server that thinks a silent reader dead after two seconds. */
async function standStill(version: PostgresVersion): Promise<Stage> {
  const stage = await stageOf(version, { wal_sender_timeout: '2s' });
  const { server, native } = stage;
  const child = stage.run();
  const sender = async (): Promise<unknown> =>
    (await native.query(`select active_pid as pid from pg_replication_slots where slot_name = 'kill'`)).rows[0];
  await expect.poll(sender, patience).toMatchObject({ pid: expect.any(Number) });
  await native.query(`insert into source values (0, 'first', 0, '')`);
  await expect.poll(() => stage.digest('target'), patience).toEqual(await stage.digest('source'));
  const first = await sender(); // the one before may be that of the connection that made the slot

  const lock = await server.connect();
  onTestFinished(() => lock.end());
  await lock.query('begin; lock table target in access exclusive mode');
  for (let part = 0; part < 60; part++) {
    await native.query(
      `insert into source select n, 'text', $1, repeat(md5(n::text), 30) from generate_series($2::int, $3::int) n`,
      [part, part * 1000, part * 1000 + 999],
    );
    await native.query(`update source set rest = '' where n = $1 and a % 3 = 0`, [part]);
    await native.query(`delete from source where n = $1 and a % 7 = 0`, [part]);
  }
  // All buffers are full: the server waits, and keeps what it has.
  const waiting = `select pg_current_wal_lsn() - sent_lsn > 10000000 as behind from pg_stat_replication`;
  const until = Date.now() + pauseMs;
  while (Date.now() < until) {
    expect(await sender()).toEqual(first);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  expect((await native.query(waiting)).rows).toEqual([{ behind: true }]);
  await kill(child);
  await lock.query('rollback');

  stage.run();
  await expectMirrored(stage);
  return stage;
}

it('loses nothing when the sink stands still for 60 s, wal_sender_timeout is short, and the process is killed then', async () => {
  const stages = await Promise.all([standStill(15), standStill(18)]);
  for (const stage of stages) expect(await stage.digest('target')).toEqual(await stage.digest('source'));
}, 180_000);

it.each([15, 18] as const)(
  'mirrors every change on Postgres %i while the process is killed again and again',
  async (version) => {
    const stage = await stageOf(version, {});
    // What is written before there is a slot is not read.
    const first = stage.run();
    const slot = `select active from pg_replication_slots where slot_name = 'kill'`;
    await expect
      .poll(async () => (await stage.native.query<{ active: boolean }>(slot)).rows, patience)
      .toEqual([{ active: true }]);
    await kill(first);
    let isWriting = true;
    const writer = await stage.server.connect();
    onTestFinished(() => writer.end());
    const writing = changeTable(writer, 'source', () => isWriting);
    for (let kills = 0; kills < 5; kills++) {
      const child = stage.run();
      const before = await stage.digest('target');
      await expect.poll(() => stage.digest('target'), patience).not.toEqual(before);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 500));
      await kill(child);
    }
    isWriting = false;
    await writing;
    stage.run();
    await expectMirrored(stage);
  },
  180_000,
);
