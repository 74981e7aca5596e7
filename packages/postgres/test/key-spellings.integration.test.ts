import type { Message, Value } from '@sluice/core';
import { beforeAll, describe, expect, test } from 'vitest';
import { type PostgresSinkConfig, postgres } from '../src/index.js';
import { useDatabase } from './database.js';

const database = useDatabase();

const upper = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11';
const lower = upper.toLowerCase();

/** Types of key columns, with two spellings of one key and another key. */
const spellings: readonly (readonly [type: string, one: Value, same: Value, other: Value])[] = [
  ['uuid', upper, lower, lower.replace('a', 'b')],
  ['uuid', lower, `{${lower}}`, lower.replace('a', 'b')],
  ['int', '01', 1, 2],
  ['numeric', '1.0', 1, '1.01'],
  ['numeric(3,-2)', 101, 149, 151],
  ['double', '1e0', 1, 2],
  ['bool', 't', true, false],
  ['citext', 'KEY', 'key', 'keys'],
  ['text COLLATE caseless', 'KEY', 'key', 'keys'],
  ['varchar(3)', 'ab   ', 'ab ', 'ab'],
  ['char(4)', 'ab', 'ab  ', 'abc'],
  ['timestamptz', '2026-01-01T12:00:00+02:00', '2026-01-01T10:00:00Z', '2026-01-01T12:00:00Z'],
  ['timestamptz(0)', '2026-01-01T12:00:00.100Z', '2026-01-01T12:00:00.200Z', '2026-01-01T12:00:01.000Z'],
  ['date', '2026-01-01', 'January 1, 2026', '2026-01-02'],
  ['jsonb', { a: 1, b: 2 }, { b: 2, a: 1 }, { a: 1 }],
  ['int[]', '{1, 2}', [1, 2], [2, 1]],
  ['amount', '1.0', 1, '1.01'],
  ['pair', '(1,a)', '( 1,a)', '(1,b)'],
];

beforeAll(async () => {
  await database.native.query(`
    CREATE EXTENSION citext;
    CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE DOMAIN double AS double precision;
    CREATE DOMAIN amount AS numeric;
    CREATE TYPE pair AS (a int, b text)`);
});

const settings = [
  { mode: 'upsert', atomic: false },
  { mode: 'mirror', atomic: true },
] as const;

describe.each(settings)('a write in which a key is spelled in two ways (mode: $mode, atomic: $atomic)', (setting) => {
  async function write(table: string, messages: readonly Partial<Message>[]): Promise<void> {
    const config: PostgresSinkConfig = { url: database.server.url, table, key: ['id', 'part'], ...setting };
    const sink = await postgres.sink(config).open();
    try {
      await sink.write([...messages]);
    } finally {
      await sink.close();
    }
  }

  /** What the rows hold besides the key. */
  const rows = (table: string): Promise<unknown> => database.rows(`SELECT name, note FROM ${table} ORDER BY name`);

  test.each(spellings)(
    'keeps the order of what is done to a key of type %s (%j and %j)',
    async (type, one, same, other) => {
      const table = await database.table(
        `id ${type}, part int, name text, note text DEFAULT 'none', PRIMARY KEY (id, part)`,
      );
      const put = (id: Value, part: number, payload: { name: string; note?: string }): Partial<Message> => ({
        payload: { id, part, ...payload },
      });
      const gone = (id: Value, part: number): Partial<Message> => ({ key: { id, part }, payload: null });
      await write(table, [
        put(other, 1, { name: 'other' }),
        // Put, then deleted.
        put(one, 1, { name: 'deleted' }),
        gone(same, 1),
        // Deleted, then put.
        gone(one, 2),
        put(same, 2, { name: 'put' }),
        // Put twice, the second time with fewer columns.
        put(same, 3, { name: 'earlier', note: 'kept' }),
        put(one, 3, { name: 'twice' }),
        // Put, deleted, put.
        put(one, 4, { name: 'earlier', note: 'lost' }),
        gone(same, 4),
        put(one, 4, { name: 'again' }),
      ]);
      expect(await rows(table)).toEqual([
        { name: 'again', note: 'none' },
        { name: 'other', note: 'none' },
        { name: 'put', note: 'none' },
        { name: 'twice', note: 'kept' },
      ]);
    },
  );

  test('keeps the spelling with which the row was put first', async () => {
    const table = await database.table('id citext, part numeric, name text, note text, PRIMARY KEY (id, part)');
    const put = (id: string, part: string, name: string): Partial<Message> => ({ payload: { id, part, name } });
    await write(table, [put('Key', '1.0', 'first'), put('KEY', '1', 'second'), put('key', '1.00', 'third')]);
    expect(await database.rows(`SELECT id, part, name FROM ${table}`)).toEqual([
      { id: 'Key', part: '1.0', name: 'third' },
    ]);
  });

  test('fails for a message whose key has no value of the type, and for no other', async () => {
    const table = await database.table('id numeric, part int, name text, note text, PRIMARY KEY (id, part)');
    const messages = ['1.0', 'one', '1', '2'].map((id) => ({ payload: { id, part: 1, name: `named ${id}` } }));
    await expect(write(table, messages)).rejects.toMatchObject({
      failures: [{ index: 1, error: expect.objectContaining({ code: 'message_invalid' }) }],
    });
  });
});
