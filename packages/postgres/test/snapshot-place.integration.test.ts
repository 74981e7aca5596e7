import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filter, memoryCheckpoints, pipeline } from '@sluice/core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { postgres } from '../src/connector.js';
import { type Ask, placesOf } from '../src/snapshot/key-places.js';
import { patience } from './cdc.js';
import { useDatabase } from './database.js';
import { log, readLog } from './log-sink.js';
import { follow, onlyRows, readAll } from './snapshot.js';

describe.each([15, 18] as const)('the place of a snapshot of Postgres %i', (version) => {
  const database = useDatabase(version);

  it('goes on in the middle of a chunk, and does not read again what was committed', async () => {
    const table = await database.table('id int primary key, text text');
    await database.rows(`insert into ${table} select g, repeat('x', 1000) from generate_series(1, 5000) g`);
    const config = onlyRows(database, { tables: [table], snapshotChunkRows: 2500, snapshotConnections: 1 });
    const checkpoints = memoryCheckpoints();
    const first = follow(config, { name: 'again', checkpoints });
    await expect.poll(() => first.messages.length, patience).toBeGreaterThan(500);
    await first.stop();
    const committed = first.messages.length;
    expect(committed).toBeLessThan(5000);
    const second = follow(config, { name: 'again', checkpoints });
    await expect.poll(() => first.messages.length + second.messages.length, patience).toBeGreaterThanOrEqual(5000);
    await second.stop();
    const ids = [...first.messages, ...second.messages].map(({ key }) => (key as { id: number }).id);
    expect(new Set(ids).size).toBe(5000);
    expect(ids.length).toBe(5000);
    const third = await readAllBy(config, checkpoints);
    expect(third).toBe(0);
  });

  it('reads every row once of a key whose type stands in a schema that is not on search_path', async () => {
    await database.rows('create schema if not exists extensions');
    await database.rows('create extension citext schema extensions');
    const table = await database.table('name extensions.citext primary key');
    const letters = 'a B c D e F g H i J k L m N o P q R s T u V w X y Z'.split(' ');
    const names = letters.flatMap((letter) => Array.from({ length: 40 }, (_, index) => `${letter}${10 + index}`));
    await database.rows(`insert into ${table} select unnest($1::text[])`, [names]);
    await database.rows(`analyze ${table}`);
    const batches = await readAll(onlyRows(database, { tables: [table], snapshotChunkRows: 100 }));
    const read = batches.flatMap(({ messages }) => messages).map(({ payload }) => (payload as { name: string }).name);
    expect(read.sort((a, b) => a.localeCompare(b))).toEqual(names);
    // And each of its changes belongs to the chunk that has its row.
    const ask: Ask = (sql, values) => database.native.query(sql, values);
    const key = [{ name: 'name', type: 'extensions.citext', collation: null }];
    const keys = ['a', 'B', 'b', 'c', 'E'].map((name) => [name]);
    expect(await placesOf(ask, key, [['B'], ['d']], keys)).toEqual([0, 0, 0, 1, 2]);
  });

  it('goes on at any row, whatever its key is made of', async () => {
    const table = await database.table('a text collate "C", b text collate "C", n int4, primary key (a, b)');
    const begins = ['', '\t', '\n', '\\', '\\N', 'ü', '\b'];
    const keys = Array.from({ length: 210 }, (_, index) => [begins[index % 7], `\\${index}\t\r`]);
    await database.rows(
      `insert into ${table} select a, b, row_number() over () from unnest($1::text[], $2::text[]) as keys(a, b)`,
      [keys.map(([a]) => a), keys.map(([, b]) => b)],
    );
    const expected = (await database.rows(`select n from ${table} order by a, b`)).map((row) => row['n']);
    const checkpoints = memoryCheckpoints();
    const folder = await mkdtemp(join(tmpdir(), 'sluice-snapshot-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const path = join(folder, 'rows.log');
    await writeFile(path, '');
    let passed = 0;
    let refused = 3;
    // It stops at one row after the other of one batch; each run begins with the row that stopped the one before.
    const run = (): Promise<unknown> =>
      pipeline({
        name: 'any-row',
        source: postgres.source(onlyRows(database, { tables: [table] })),
        transforms: [
          filter(() => {
            if (passed === refused) throw new Error('not this one');
            passed++;
            return true;
          }),
        ],
        sink: log.sink({ path, atomic: false }),
        checkpoints,
      }).run();
    for (; refused < expected.length; refused += 19) await expect(run()).rejects.toThrow('not this one');
    await run();
    expect(readLog(path).messages.map(({ payload }) => (payload as { n: number }).n)).toEqual(expected);
  });
});

async function readAllBy(
  config: Parameters<typeof follow>[0],
  checkpoints: ReturnType<typeof memoryCheckpoints>,
): Promise<number> {
  let count = 0;
  for await (const { messages } of postgres.source(config).read({ name: 'again', checkpoints }))
    count += messages.length;
  return count;
}
