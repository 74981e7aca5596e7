import type { Message } from '@sluice/core';
import type { Position, SourceDriver } from '@sluice/core/driver';
import { describe, expect, it } from 'vitest';
import type { ChangesConfig } from '../src/changes/cdc-config.js';
import type { SnapshotPlan } from '../src/snapshot/snapshot-plan.js';
import { cdcConfig, openCdc, patience, Reader, testContext } from './cdc.js';
import { useDatabase } from './database.js';
import { onlyRows } from './snapshot.js';

/** The topic of the one table that is read. */
function topicOf({ tables = [] }: ChangesConfig): string {
  return `public.${tables[0]?.slice(1, -1)}`;
}

/** Ids of the rows that are left when these have happened. */
function stateOf(messages: readonly Message[]): unknown[] {
  const rows = new Set<number>();
  for (const { operation, key } of messages) {
    if (operation === 'truncate') rows.clear();
    else rows.add((key as { id: number }).id);
  }
  return [...rows].sort((a, b) => a - b);
}

describe.each([15, 18] as const)('a table of Postgres %i that is emptied', (version) => {
  const database = useDatabase(version);

  interface Begun {
    readonly driver: SourceDriver;
    readonly chunks: number;
    /** Reads a chunk to its end. */
    chunk(number: number, position?: Position): Promise<Reader>;
  }

  /** A table of two chunks, and how they are read. */
  async function prepare(): Promise<{ readonly table: string; readonly config: ChangesConfig }> {
    const table = await database.table('id int primary key');
    await database.rows(`insert into ${table} select generate_series(1, 600)`);
    await database.rows(`analyze ${table}`);
    return { table, config: cdcConfig(database, { snapshot: 'initial', tables: [table], snapshotChunkRows: 300 }) };
  }

  /** A reading that is planned. */
  async function begin(config: ChangesConfig, atomic = true): Promise<Begun> {
    const driver = await openCdc(config, { ...testContext(), atomic });
    const plan = new Reader(driver, { partition: 'snapshot' });
    await expect.poll(() => plan.failure ?? plan.position, patience).toBeDefined();
    const { tables } = plan.position as unknown as SnapshotPlan; // the same where there are texts alone
    return {
      driver,
      chunks: (tables[0]?.bounds.length ?? 0) + 1,
      chunk: async (number, position) => {
        const partition = `${topicOf(config)}/${number}`;
        const reader = new Reader(driver, { partition, position, maxMessages: 100 });
        await expect.poll(() => reader.failure ?? reader.ended, patience).toBe(true);
        await driver.commit?.(partition, reader.position ?? null);
        return reader;
      },
    };
  }

  /** Empties the table and fills it with other rows. */
  async function replaceRows(table: string): Promise<void> {
    await database.rows(`begin; insert into ${table} values (9000); truncate ${table};
      insert into ${table} select generate_series(1000, 1009); commit`);
  }

  it('before its rows are read shows the new rows, and no truncate', async () => {
    const { table, config } = await prepare();
    const { driver, chunk } = await begin(config);
    await replaceRows(table);
    const rows = [...(await chunk(1)).messages, ...(await chunk(2)).messages];
    expect(stateOf(rows)).toEqual([1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009]);
    const changes = new Reader(driver);
    await database.rows(`insert into ${table} values (1010)`);
    expect((await changes.take(1)).map(({ operation, key }) => [operation, key])).toEqual([['create', { id: 1010 }]]);
  });

  it('after its rows were read shows the truncate, and no older row after it', async () => {
    const { table, config } = await prepare();
    const { driver, chunk } = await begin(config);
    const rows = [...(await chunk(1)).messages, ...(await chunk(2)).messages];
    expect(rows).toHaveLength(600);
    await replaceRows(table);
    const changes = await new Reader(driver).take(12);
    expect(changes.map(({ operation }) => operation)).toEqual(['create', 'truncate', ...Array(10).fill('create')]);
    expect(stateOf([...rows, ...changes])).toEqual([1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009]);
  });

  it.each([true, false])(
    'between its chunks shows the truncate where nothing came after it (atomic: %s)',
    async (atomic) => {
      const { table, config } = await prepare();
      const { driver, chunk } = await begin(config, atomic);
      const second = await chunk(2);
      const beginning = (await chunk(1)).batches[0];
      await database.rows(`truncate ${table}`);
      // The rest of the first one, as after a crash.
      const rest = await chunk(1, beginning?.position);
      expect(rest.messages).toEqual([]);
      await database.rows(`insert into ${table} values (5)`);
      const changes = await new Reader(driver).take(2);
      expect(changes.map(({ operation }) => operation)).toEqual(['truncate', 'create']);
      expect(stateOf([...second.messages, ...(beginning?.messages ?? []), ...changes])).toEqual([5]);
    },
  );

  // The truncate would take new rows away that are not told again.
  it.each([true, false])(
    'and filled between its chunks stops the reading, which can begin anew (atomic: %s)',
    async (atomic) => {
      const { table, config } = await prepare();
      const { driver, chunk } = await begin(config, atomic);
      await chunk(1);
      await replaceRows(table);
      await chunk(2);
      const changes = new Reader(driver);
      await expect.poll(() => changes.ended, patience).toBe(true);
      expect(changes.failure).toMatchObject({
        code: 'unsupported',
        message: expect.stringContaining('positions reset'),
      });
      expect(changes.messages).toEqual([]);
      await driver.close();
      // Nothing is left of what was read, as the error asks for.
      const again = await begin(config, atomic);
      const rows: Message[] = [];
      for (let number = 1; number <= again.chunks; number++) rows.push(...(await again.chunk(number)).messages);
      await database.rows(`insert into ${table} values (1010)`);
      const reader = new Reader(again.driver);
      await expect.poll(() => reader.failure ?? reader.messages.at(-1)?.key, patience).toEqual({ id: 1010 });
      const found = await database.rows(`select id from ${table} order by id`);
      expect(stateOf([...rows, ...reader.messages])).toEqual(found.map(({ id }) => id));
    },
  );
});

describe('chunks of a table', () => {
  const database = useDatabase();

  it('tells while rows are read how much of the log waits for them, until changes tell it', async () => {
    const table = await database.table('id int primary key, text text');
    const config = cdcConfig(database, { snapshot: 'initial', tables: [table], statusIntervalMs: 50 });
    const driver = await openCdc(config);
    const plan = new Reader(driver, { partition: 'snapshot' });
    await expect.poll(() => plan.batches[0]?.lag, patience).toBeLessThan(1_000_000);
    await database.rows(`insert into ${table} select g, repeat('x', 1000) from generate_series(1, 3000) g`);
    await expect.poll(() => plan.batches.at(-1)?.lag, patience).toBeGreaterThan(3_000_000);
    const partition = `${topicOf(config)}/1`;
    const rows = new Reader(driver, { partition });
    await rows.take(3000);
    await driver.commit?.(partition, rows.position ?? null);
    await expect.poll(() => plan.batches.at(-1)?.lag, patience).toBe(0);
    const changes = new Reader(driver);
    await expect.poll(() => changes.batches[0]?.lag, patience).toBeDefined();
  });

  it('reads as many chunks at the same time as it is told to', async () => {
    const table = await database.table('id int primary key, text text');
    await database.rows(`insert into ${table} select g, repeat('x', 20000) from generate_series(1, 3000) g`);
    await database.rows(`analyze ${table}`);
    const { directUrl: url } = database.server;
    const driver = await openCdc(
      onlyRows(database, { url, tables: [table], snapshotChunkRows: 1000, snapshotConnections: 2 }),
    );
    const plan = new Reader(driver, { partition: 'snapshot' });
    await expect.poll(() => plan.position, patience).toBeDefined();
    const readers = [1, 2, 3].map((number) => {
      const reader = new Reader(driver, { partition: `public.${table.slice(1, -1)}/${number}` });
      reader.pause();
      return reader;
    });
    const waiting = `select from pg_stat_activity where query like 'copy (select%' and wait_event = 'ClientWrite'`;
    await expect.poll(async () => (await database.rows(waiting)).length, patience).toBe(2);
    expect(readers[2]?.messages).toEqual([]);
    for (const reader of readers) reader.resume();
    await expect.poll(() => readers.reduce((sum, { messages }) => sum + messages.length, 0), patience).toBe(3000);
  });
});
