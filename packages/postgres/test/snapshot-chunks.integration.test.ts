import type { Message } from '@sluice/core';
import type { SourceDriver } from '@sluice/core/driver';
import { describe, expect, it } from 'vitest';
import { cdcConfig, openCdc, patience, Reader, testContext } from './cdc.js';
import { useDatabase } from './database.js';
import { onlyRows } from './snapshot.js';

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
    readonly table: string;
    readonly driver: SourceDriver;
    /** Reads a chunk to its end. */
    chunk(number: number): Promise<Reader>;
    /** Empties the table and fills it with other rows. */
    empty(): Promise<void>;
  }

  /** A table of two chunks whose reading is planned. */
  async function begin(atomic: boolean): Promise<Begun> {
    const table = await database.table('id int primary key');
    await database.rows(`insert into ${table} select generate_series(1, 600)`);
    await database.rows(`analyze ${table}`);
    const config = cdcConfig(database, { snapshot: 'initial', tables: [table], snapshotChunkRows: 300 });
    const driver = await openCdc(config, { ...testContext(), atomic });
    const plan = new Reader(driver, { partition: 'snapshot' });
    await expect.poll(() => plan.failure ?? plan.position, patience).toBeDefined();
    return {
      table,
      driver,
      chunk: async (number) => {
        const partition = `public.${table.slice(1, -1)}/${number}`;
        const reader = new Reader(driver, { partition });
        await expect.poll(() => reader.failure ?? reader.ended, patience).toBe(true);
        await driver.commit?.(partition, reader.position ?? null);
        return reader;
      },
      empty: async () => {
        await database.rows(`begin; insert into ${table} values (9000); truncate ${table};
          insert into ${table} select generate_series(1000, 1009); commit`);
      },
    };
  }

  it('before its rows are read shows the new rows, and no truncate', async () => {
    const { table, driver, chunk, empty } = await begin(true);
    await empty();
    const rows = [...(await chunk(1)).messages, ...(await chunk(2)).messages];
    expect(stateOf(rows)).toEqual([1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009]);
    const changes = new Reader(driver);
    await database.rows(`insert into ${table} values (1010)`);
    expect((await changes.take(1)).map(({ operation, key }) => [operation, key])).toEqual([['create', { id: 1010 }]]);
  });

  it('after its rows were read shows the truncate, and no older row after it', async () => {
    const { driver, chunk, empty } = await begin(true);
    const rows = [...(await chunk(1)).messages, ...(await chunk(2)).messages];
    expect(rows).toHaveLength(600);
    await empty();
    const changes = await new Reader(driver).take(12);
    expect(changes.map(({ operation }) => operation)).toEqual(['create', 'truncate', ...Array(10).fill('create')]);
    expect(stateOf([...rows, ...changes])).toEqual([1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009]);
  });

  // The truncate would take new rows away that are not told again.
  it.each([true, false])('between two of its chunks stops the reading (atomic: %s)', async (atomic) => {
    const { driver, chunk, empty } = await begin(atomic);
    await chunk(1);
    await empty();
    await chunk(2);
    const changes = new Reader(driver);
    await expect.poll(() => changes.ended, patience).toBe(true);
    expect(changes.failure).toMatchObject({ code: 'unsupported', message: expect.stringContaining('truncated') });
    expect(changes.messages).toEqual([]);
  });
});

describe('chunks of a table', () => {
  const database = useDatabase();

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
