import type { Message, Position } from '@sluice/core/driver';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parsePosition } from '../src/changes/cdc-position.js';
import { formatLsn } from '../src/changes/lsn.js';
import { cdcConfig, openCdc, patience, Reader, started, testContext } from './cdc.js';
import { changeTable, changingColumns } from './changing-table.js';
import { useDatabase } from './database.js';

describe.each([15, 18] as const)('positions in the changes of Postgres %i', (version) => {
  const database = useDatabase(version);

  async function confirmedLsn(slot: string): Promise<string> {
    const [row] = await database.rows(
      'select confirmed_flush_lsn::text as lsn from pg_replication_slots where slot_name = $1',
      [slot],
    );
    return row?.['lsn'] as string; // that is its type
  }

  function lsnOf(position: Position | undefined): string {
    return formatLsn(parsePosition(position ?? null).lsn);
  }

  async function isAtLeast(lsn: unknown, other: unknown): Promise<boolean> {
    const [row] = await database.rows('select $1::pg_lsn >= $2::pg_lsn as yes', [lsn, other]);
    return row?.['yes'] as boolean; // that is its type
  }

  it('goes on just after every position, inside of transactions too, without a gap or a repeat', async () => {
    const table = await database.table('id int primary key');
    const config = cdcConfig(database, { tables: [table] });
    const reader = await started(await openCdc(config), { maxMessages: 4 });
    for (const [from, to] of [
      [1, 3],
      [4, 10],
      [11, 11],
      [12, 14],
    ])
      await database.rows(`insert into ${table} select generate_series($1::int, $2::int)`, [from, to]);
    await reader.take(14);
    await reader.stop();
    const keys = reader.messages.map(({ key }) => key);
    expect(keys).toEqual(Array.from({ length: 14 }, (_, index) => ({ id: index + 1 })));
    let after = 0;
    for (const batch of reader.batches) {
      const inside = batch.messages.map((_, index) => [batch.positionAt?.(index), after + index + 1] as const);
      after += batch.messages.length;
      for (const [position, count] of [...inside, [batch.position, after] as const]) {
        const again = new Reader(await openCdc(config), { position: JSON.parse(JSON.stringify(position)) as Position });
        await again.take(14 - count);
        await again.stop();
        expect(again.messages.map(({ key }) => key)).toEqual(keys.slice(count));
      }
    }
  }, 60_000);

  it('repeats and leaves out nothing over restarts at any positions, while others write', async () => {
    const table = await database.table(changingColumns);
    const config = cdcConfig(database, { tables: [table] });
    const rows = new Map<string, unknown>();
    const apply = ({ key, before, payload }: Message): void => {
      const idOf = (of: unknown): string =>
        JSON.stringify(Object.entries(of ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1)));
      if (before !== undefined) rows.delete(idOf(before));
      if (payload !== null) rows.set(idOf(key), payload);
    };
    let { position } = await started(await openCdc(config)).then(async (reader) => {
      await reader.stop();
      return reader;
    });
    const writer = await database.server.connect();
    onTestFinished(() => writer.end());
    let restarts = 0;
    const writing = changeTable(writer, table, () => restarts < 30);
    const pick = (limit: number): number => Math.floor(Math.random() * limit);
    const driver = await openCdc(config);
    for (; restarts < 30; restarts++) {
      const reader = new Reader(driver, { position, maxMessages: 1 + pick(300) });
      await reader.take(1 + pick(1500));
      const whole = pick(reader.batches.length);
      for (const batch of reader.batches.slice(0, whole)) batch.messages.forEach(apply);
      const last = reader.batches[whole];
      const inside = pick(last?.messages.length ?? 0);
      last?.messages.slice(0, inside + 1).forEach(apply);
      position = last?.positionAt?.(inside) ?? last?.position;
      await driver.commit?.('', position ?? null);
      await reader.stop();
    }
    await writing;
    await database.rows(`insert into ${table} values (-1, 'last', 0, '')`);
    const reader = new Reader(driver, { position });
    await expect.poll(() => reader.messages.at(-1)?.key, patience).toMatchObject({ b: 'last' });
    reader.messages.forEach(apply);
    const order = (all: readonly unknown[]): string[] => all.map((row) => JSON.stringify(row)).toSorted();
    expect(order([...rows.values()])).toEqual(order(await database.rows(`select a, b, n, rest from ${table}`)));
  });

  it('confirms nothing by reading or closing, and whole transactions only by committing', async () => {
    const table = await database.table('id int primary key');
    const config = cdcConfig(database, { tables: [table] });
    const driver = await openCdc(config);
    const reader = await started(driver, { maxMessages: 2 });
    const begin = await confirmedLsn(config.slot);
    await database.rows(`insert into ${table} values (1), (2), (3)`);
    await database.rows(`insert into ${table} values (4), (5), (6)`);
    await reader.take(6);
    expect(await confirmedLsn(config.slot)).toBe(begin);
    const [inFirst, endOfFirst, inSecond, end] = reader.batches.filter(({ messages }) => messages.length > 0);
    await driver.commit?.('', inFirst?.position ?? null);
    await driver.commit?.('', endOfFirst?.position ?? null);
    const first = lsnOf(endOfFirst?.position);
    await expect.poll(() => confirmedLsn(config.slot), patience).toBe(first);
    await driver.commit?.('', inSecond?.position ?? null);
    await reader.stop();
    expect(await confirmedLsn(config.slot)).toBe(first);
    await driver.close();

    const again = await openCdc(config);
    const rest = new Reader(again);
    expect((await rest.take(3)).map(({ key }) => key)).toEqual([{ id: 4 }, { id: 5 }, { id: 6 }]);
    await again.commit?.('', rest.position ?? null);
    await rest.stop();
    const last = lsnOf(end?.position);
    expect(await isAtLeast(await confirmedLsn(config.slot), last)).toBe(true);
  });

  it('confirms the last whole transaction before a position inside of one', async () => {
    const table = await database.table('id int primary key');
    const config = cdcConfig(database, { tables: [table] });
    const driver = await openCdc(config);
    const reader = await started(driver, { maxMessages: 2 });
    await database.rows(`insert into ${table} values (1)`);
    await reader.take(1);
    await database.rows(`insert into ${table} values (2), (3), (4)`);
    await reader.take(4);
    const [first, inSecond] = reader.batches.filter(({ messages }) => messages.length > 0);
    expect(inSecond?.position).toMatchObject({ rows: 2 });
    await driver.commit?.('', inSecond?.position ?? null);
    await expect.poll(() => confirmedLsn(config.slot), patience).toBe(lsnOf(first?.position));
  });

  it('commits after an abort until the lease ends', async () => {
    const table = await database.table('id int primary key');
    const config = cdcConfig(database, { tables: [table] });
    const driver = await openCdc(config);
    const reader = await started(driver);
    await database.rows(`insert into ${table} values (1)`);
    await reader.take(1);
    await reader.abort();
    await driver.commit?.('', reader.position ?? null);
    await expect.poll(() => confirmedLsn(config.slot), patience).toBe(lsnOf(reader.position));
    await reader.stop();
  });

  it('confirms what is committed before the stream has begun, as soon as it has', async () => {
    const table = await database.table('id int primary key');
    const config = cdcConfig(database, { tables: [table] });
    const first = await started(await openCdc(config));
    await database.rows(`insert into ${table} values (1)`);
    await first.take(1);
    await first.stop();
    const driver = await openCdc(config);
    const { position } = first;
    const reader = new Reader(driver, { position });
    await driver.commit?.('', position ?? null);
    await expect.poll(() => confirmedLsn(config.slot), patience).toBe(lsnOf(position));
    expect(reader.failure).toBeUndefined();
  });

  it('lets the server forget its log while nothing is published, once everything before is committed', async () => {
    const table = await database.table('id int primary key');
    const other = await database.table('text text');
    const config = cdcConfig(database, { tables: [table], statusIntervalMs: 100 });
    const driver = await openCdc(config);
    const reader = await started(driver);
    await database.rows(`insert into ${table} values (1)`);
    await reader.take(1);
    const [published] = reader.batches.filter(({ messages }) => messages.length > 0);
    await database.rows(`insert into ${other} select repeat('x', 1000) from generate_series(1, 1000)`);
    const [now] = await database.rows('select pg_current_wal_lsn()::text as lsn');
    const moved = (): Position | undefined => reader.position;
    await expect.poll(async () => await isAtLeast(lsnOf(moved()), now?.['lsn']), patience).toBe(true);
    expect(reader.batches.at(-1)?.messages).toEqual([]);
    // Nothing is confirmed by itself: the message before is not settled.
    expect(await isAtLeast(await confirmedLsn(config.slot), lsnOf(published?.position))).toBe(false);
    await driver.commit?.('', moved() ?? null);
    await expect.poll(async () => await isAtLeast(await confirmedLsn(config.slot), now?.['lsn']), patience).toBe(true);
  });

  it('says how much of the log lies behind a batch, and how much the server keeps', async () => {
    const table = await database.table('id int primary key, text text');
    const context = testContext();
    const config = cdcConfig(database, { tables: [table], statusIntervalMs: 50 });
    const driver = await openCdc(config, context);
    const first = await started(driver);
    await first.stop();
    await database.rows(`insert into ${table} select n, repeat('x', 1000) from generate_series(1, 3000) n`);
    const reader = new Reader(driver, { maxMessages: 100 });
    await reader.take(3000);
    const lags = reader.batches.filter(({ messages }) => messages.length > 0).map(({ lag }) => lag ?? 0);
    // A position inside of a transaction lies where the transaction ends, so all of them are as far behind as that.
    expect(lags.every((lag) => lag >= 0 && lag < 3_000_000)).toBe(true);
    expect(reader.batches[0]?.lag).toBeGreaterThan(3_000_000);
    await expect.poll(() => context.gauges.get('slot_retained_bytes') ?? 0, patience).toBeGreaterThan(3_000_000);
    await driver.commit?.('', reader.position ?? null);
  });

  it('begins at the earliest or after the latest change when it is told to', async () => {
    const table = await database.table('id int primary key');
    const config = cdcConfig(database, { tables: [table] });
    const driver = await openCdc(config);
    await (await started(driver)).stop();
    await database.rows(`insert into ${table} values (1)`);
    const earliest = await started(driver, { start: 'earliest' });
    expect((await earliest.take(1)).map(({ key }) => key)).toEqual([{ id: 1 }]);
    await earliest.stop();
    const latest = await started(driver, { start: 'latest' });
    await database.rows(`insert into ${table} values (2)`);
    expect((await latest.take(1)).map(({ key }) => key)).toEqual([{ id: 2 }]);
  });
});
