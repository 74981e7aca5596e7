import { uniqueName } from '@sluice/testkit';
import { describe, expect, it } from 'vitest';
import { cdcConfig, patience } from './cdc.js';
import { useDatabase } from './database.js';
import { follow, gate, onlyRows, readAll } from './snapshot.js';

describe.each([15, 18] as const)('a snapshot of Postgres %i', (version) => {
  const database = useDatabase(version);

  it('reads the rows of a table in the order of its key, with values as those of changes, and ends', async () => {
    const table = await database.table(
      'id int primary key, name text, big bigint, at timestamptz, list int[], bytes bytea',
    );
    await database.rows(
      String.raw`insert into ${table} values (2, E'a\tb\\n\n', 9007199254740993, '2026-01-02', '{1,null}', '\x00ff'), (-1, null, 1, null, null, null)`,
    );
    const [batch] = await readAll(onlyRows(database, { tables: [table] }));
    expect(batch?.partition).toBe(`public.${table.slice(1, -1)}/1`);
    expect(batch?.messages).toMatchObject([
      {
        operation: 'snapshot',
        key: { id: -1 },
        payload: { id: -1, name: null, big: 1, at: null, list: null, bytes: null },
      },
      {
        key: { id: 2 },
        payload: {
          name: 'a\tb\\n\n',
          big: 9007199254740993n,
          at: '2026-01-02T00:00:00Z',
          list: [1, null],
          bytes: Buffer.from([0, 255]),
        },
      },
    ]);
  });

  it.each([
    ['negative and large numbers', 'k bigint primary key', 'select (g - 1500)::int8 * 6000000000000001'],
    [
      'texts in any collation',
      'k text collate "und-x-icu" primary key',
      `select chr(97 + g % 26) || chr(65 + g % 7) || 'ä' || g`,
    ],
    ['uuids', 'k uuid primary key', `select md5(g::text)::uuid`],
    [
      'times with microseconds',
      'k timestamptz primary key',
      `select '2026-01-01'::timestamptz + g * interval '1.000001 s'`,
    ],
    [
      'several columns',
      'b text, "A" numeric(20, 5), c int, primary key ("A", b)',
      `select 'b' || g % 10, g * 0.12345, g`,
    ],
  ])('cuts a table with a key of %s into chunks that hold every row once', async (_kind, columns, rows) => {
    const table = await database.table(columns);
    await database.rows(`insert into ${table} ${rows} from generate_series(1, 3000) g`);
    await database.rows(`analyze ${table}`);
    const batches = await readAll(onlyRows(database, { tables: [table], snapshotChunkRows: 500 }));
    expect(new Set(batches.map(({ partition }) => partition)).size).toBeGreaterThan(3);
    const keys = batches.flatMap(({ messages }) => messages).map(({ key }) => JSON.stringify(key, bigintText));
    expect(keys).toHaveLength(3000);
    expect(new Set(keys).size).toBe(3000);
  });

  it('reads a table without a key whole, an empty one too, and one whose names need quotes', async () => {
    const plain = await database.table('a int, b int');
    const empty = await database.table('id int primary key');
    const schema = `"S.chema ""${version}"""`;
    await database.rows(
      `create schema ${schema}; create table ${schema}."Ta.ble" ("I""d" int primary key, "select" text, "__proto__" text)`,
    );
    await database.rows(`insert into ${schema}."Ta.ble" select g, 's', 'p' from generate_series(1, 300) g`);
    await database.rows(`insert into ${plain} select 1, 2 from generate_series(1, 300)`);
    const tables = [plain, empty, `${schema}."Ta.ble"`];
    const batches = await readAll(onlyRows(database, { tables, snapshotChunkRows: 100 }));
    const ofPlain = batches.filter(({ messages }) => messages[0]?.topic === `public.${plain.slice(1, -1)}`);
    expect(new Set(ofPlain.map(({ partition }) => partition)).size).toBe(1);
    expect(ofPlain.flatMap(({ messages }) => messages)).toHaveLength(300);
    const quoted = batches.flatMap(({ messages }) => messages).filter(({ topic }) => topic === `${schema}."Ta.ble"`);
    expect(quoted).toHaveLength(300);
    // Chunks come in any order.
    const first = quoted.find(({ key }) => JSON.stringify(key) === JSON.stringify({ 'I"d': 1 }));
    expect(Object.entries(first?.payload ?? {})).toEqual([
      ['I"d', 1],
      ['select', 's'],
      ['__proto__', 'p'],
    ]);
  });

  it('gives rows and changes the same topic, key, payload and schema', async () => {
    for (const identity of ['default', 'full', `using index`]) {
      // A whole row as identity must not have what is not published.
      const generated = identity === 'full' ? '' : ', d int generated always as (a + 1) stored';
      const table = await database.table(
        `a int not null, b text not null, c numeric(9,2)${generated}, primary key (b, a)`,
      );
      const index = table.replace(/"$/, ' i"');
      await database.rows(`create unique index ${index} on ${table} (a)`);
      await database.rows(
        `alter table ${table} replica identity ${identity === 'using index' ? `using index ${index}` : identity}`,
      );
      await database.rows(`insert into ${table} values (1, 'x', 2.50)`);
      const following = follow(cdcConfig(database, { snapshot: 'initial', tables: [table] }));
      await expect.poll(() => following.messages.length, patience).toBe(1);
      await database.rows(`update ${table} set c = c`);
      await expect.poll(() => following.messages.length, patience).toBe(2);
      const [row, change] = following.messages;
      expect(row?.operation).toBe('snapshot');
      expect({ topic: row?.topic, key: row?.key, payload: row?.payload, schema: row?.schema }).toEqual({
        topic: change?.topic,
        key: change?.key,
        payload: change?.payload,
        schema: change?.schema,
      });
      expect(row?.headers.map(([name]) => name)).toEqual(['lsn', 'commitTime']);
      await following.stop();
    }
  });

  it('reads partitioned tables as one, and as the publication has them', async () => {
    const table = await database.table('id int primary key) partition by range (id');
    const part = table.replace(/"$/, ' 1"');
    await database.rows(`create table ${part} partition of ${table} for values from (0) to (1000)`);
    await database.rows(`insert into ${table} select generate_series(0, 999)`);
    const topic = (name: string): string => `public.${name.slice(1, -1)}`;
    const all = await readAll(onlyRows(database, { tables: [table], snapshotChunkRows: 200 }));
    expect(new Set(all.flatMap(({ messages }) => messages).map((each) => each.topic))).toEqual(new Set([topic(table)]));
    expect(all.flatMap(({ messages }) => messages)).toHaveLength(1000);
    for (const [viaRoot, name] of [
      [true, table],
      [false, part],
    ] as const) {
      const config = cdcConfig(database, { snapshot: 'initial', snapshotChunkRows: 200 });
      await database.rows(
        `create publication ${config.publication} for table ${table} with (publish_via_partition_root = ${viaRoot})`,
      );
      const following = follow(config);
      await expect.poll(() => following.messages.length, patience).toBe(1000);
      await database.rows(`update ${table} set id = id where id = 5`);
      await expect.poll(() => following.messages.length, patience).toBe(1001);
      expect(new Set(following.messages.map((each) => each.topic))).toEqual(new Set([topic(name)]));
      await following.stop();
    }
  });

  it('reads the columns and rows that the publication has', async () => {
    const table = await database.table('id int primary key, name text, secret text');
    await database.rows(`insert into ${table} select g, 'n', 's' from generate_series(1, 10) g`);
    const config = cdcConfig(database, { snapshot: 'initial' });
    await database.rows(`create publication ${config.publication} for table ${table} (id, name) where (id > 7)`);
    const following = follow(config);
    await expect.poll(() => following.messages.length, patience).toBe(3);
    expect(following.messages.map(({ payload }) => payload)).toEqual([8, 9, 10].map((id) => ({ id, name: 'n' })));
  });

  it('is refused where a policy hides rows from its user, because their changes would come', async () => {
    const table = await database.table('id int primary key');
    await database.rows(`insert into ${table} values (1), (2); alter table ${table} enable row level security;
      create policy first on ${table} for select using (id = 1);
      create role hidden login replication password 'hidden'; grant select on ${table} to hidden`);
    const config = cdcConfig(database, { snapshot: 'initial', tables: [table], user: 'hidden', password: 'hidden' });
    await database.rows(`create publication ${config.publication} for table ${table}`);
    const following = follow(config);
    await expect
      .poll(() => following.failure ?? following.batches.at(-1)?.partition, patience)
      .toMatchObject({ code: 'permission_denied', message: expect.stringContaining('row-level security') });
    expect(following.messages).toEqual([]);
    // Alone they are what this user may see.
    const alone = await readAll(onlyRows(database, { tables: [table], user: 'hidden', password: 'hidden' }));
    expect(alone.flatMap(({ messages }) => messages).map(({ key }) => key)).toEqual([{ id: 1 }]);
  });

  it('tells of every row the last state, as a row or as a change, while others write', async () => {
    const table = await database.table('id int primary key, n int');
    await database.rows(`insert into ${table} select g, 0 from generate_series(1, 2000) g`);
    const config = cdcConfig(database, {
      snapshot: 'initial',
      tables: [table],
      snapshotChunkRows: 200,
      snapshotConnections: 2,
    });
    const rows = new Map<unknown, unknown>();
    const following = follow(config, {
      handle: async ({ messages }) => {
        for (const { key, before, payload } of messages) {
          if (before !== undefined) rows.delete(JSON.stringify(before));
          if (payload === null) rows.delete(JSON.stringify(key));
          else rows.set(JSON.stringify(key), payload);
        }
        await database.rows(`update ${table} set n = n + 1 where id % 7 = 0`);
        await database.rows(`delete from ${table} where id = any($1)`, [
          messages.slice(0, 3).map(({ key }) => (key as { id: number }).id),
        ]);
      },
    });
    const isThrough = (): boolean =>
      following.messages.length >= 2000 && following.batches.at(-1)?.partition === 'changes';
    await expect.poll(isThrough, patience).toBe(true);
    await following.stop();
    expect(following.failure).toBeUndefined();
    const operations = following.messages.map(({ operation }) => operation);
    expect(operations.lastIndexOf('snapshot')).toBeLessThan(operations.findIndex((each) => each !== 'snapshot'));
  });

  it('lets the server wait while nobody takes its rows', async () => {
    const table = await database.table('id int primary key, text text');
    await database.rows(`insert into ${table} select g, repeat('x', 10000) from generate_series(1, 10000) g`);
    const { opened, open } = gate();
    const following = follow(onlyRows(database, { tables: [table] }), { handle: () => opened });
    const waiting = `select from pg_stat_activity where query like 'copy (select%' and wait_event = 'ClientWrite'`;
    await expect.poll(async () => (await database.rows(waiting)).length, patience).toBe(1);
    open();
    await expect.poll(() => following.messages.length, patience).toBe(10_000);
  });

  it('leaves out a table that was dropped meanwhile, and reads a column that was added', async () => {
    // They are read in the order of their names; the first one is more than is read while nobody takes it.
    const [first = '', dropped = '', grown = ''] = ['a', 'b', 'c'].map(
      (letter) => `"${letter} ${uniqueName('Table')}"`,
    );
    for (const table of [first, dropped, grown]) await database.rows(`create table ${table} (id int primary key)`);
    await database.rows(`insert into ${first} select generate_series(1, 15000)`);
    for (const table of [dropped, grown]) await database.rows(`insert into ${table} values (1)`);
    const { opened, open } = gate();
    const config = cdcConfig(database, {
      snapshot: 'initial',
      tables: [first, dropped, grown],
      snapshotConnections: 1,
    });
    const following = follow(config, { handle: () => opened });
    const reading = `select from pg_stat_activity where query like 'copy (select%'`;
    await expect.poll(async () => (await database.rows(reading)).length, patience).toBe(1);
    await database.rows(`drop table ${dropped}`);
    await database.rows(`alter table ${grown} add column added text default 'new'`);
    open();
    await expect.poll(() => following.messages.length, patience).toBe(15_001);
    await database.rows(`insert into ${grown} values (2, 'last')`);
    await expect.poll(() => following.messages.length, patience).toBe(15_002);
    expect(following.messages.slice(-2).map(({ operation, payload }) => [operation, payload])).toEqual([
      ['snapshot', { id: 1, added: 'new' }],
      ['create', { id: 2, added: 'last' }],
    ]);
  });

  it('has a large value that was stored apart in a row that moved to where it was not read yet', async () => {
    const table = await database.table('id int primary key, big text, n int');
    await database.rows(`alter table ${table} alter big set storage external`);
    await database.rows(
      `insert into ${table} select g, case when g = 45000 then repeat('y', 100000) end, 0 from generate_series(1, 60000) g`,
    );
    await database.rows(`analyze ${table}`);
    const config = cdcConfig(database, {
      snapshot: 'initial',
      tables: [table],
      snapshotChunkRows: 30_000,
      snapshotConnections: 1,
    });
    const { opened, open } = gate();
    const following = follow(config, { handle: () => opened });
    const reading = `select from pg_stat_activity where query like 'copy (select%'`;
    await expect.poll(async () => (await database.rows(reading)).length, patience).toBe(1);
    // The first chunk is being read: it does not see where the row goes, and the second one not where it was.
    await database.rows(`update ${table} set id = -1 where id = 45000`);
    open();
    await expect.poll(() => following.messages.at(-1)?.key, patience).toEqual({ id: -1 });
    expect(following.messages.filter(({ operation }) => operation === 'snapshot')).toHaveLength(59_999);
    const last = following.messages.at(-1);
    expect(last).toMatchObject({ operation: 'create', payload: { big: 'y'.repeat(100_000) } });
  });
});

function bigintText(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
