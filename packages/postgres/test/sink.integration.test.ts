import { BatchError, type Message, type MessageSchema } from '@sluice/core';
import { describe, expect, test } from 'vitest';
import { type PostgresSinkConfig, postgres } from '../src/index.js';
import { useDatabase } from './database.js';

const database = useDatabase();

async function write(config: Omit<PostgresSinkConfig, 'url'>, ...batches: Partial<Message>[][]): Promise<void> {
  const sink = await postgres.sink({ url: database.server.url, ...config }).open();
  try {
    for (const batch of batches) await sink.write(batch);
  } finally {
    await sink.close();
  }
}

async function failuresOf(writing: Promise<void>): Promise<{ index: number; code: string; text: string }[]> {
  const error: unknown = await writing.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof BatchError)) throw new Error('no message was named', { cause: error });
  return error.failures.map(({ index, error: failure }) => {
    const { code, message } = failure as { code: string; message: string };
    return { index, code, text: message };
  });
}

const payloads = (...values: Message['payload'][]): Partial<Message>[] => values.map((payload) => ({ payload }));

describe.each([true, false])('with atomic: %s', (atomic) => {
  test('appends fields of payloads to the columns of their names', async () => {
    const table = await database.table('id int, name text, at timestamptz, "Odd ""name" text');
    const at = new Date('2026-11-21T05:00:00.123Z');
    await write(
      { table, atomic },
      payloads({ id: 1, name: 'a\tb\\c\nd\re', at, 'Odd "name': "x'; DROP TABLE y; --" }, { id: 2 }),
      payloads({ name: '\\N', id: 3 }),
    );
    expect(await database.rows(`SELECT * FROM ${table} ORDER BY id`)).toEqual([
      { id: 1, name: 'a\tb\\c\nd\re', at, 'Odd "name': "x'; DROP TABLE y; --" },
      { id: 2, name: null, at: null, 'Odd "name': null },
      { id: 3, name: '\\N', at: null, 'Odd "name': null },
    ]);
  });

  test('finds bad rows, with what the server says, and writes all others', async () => {
    const table = await database.table("id int PRIMARY KEY, name text CHECK (name <> 'bad')");
    const batch = Array.from({ length: 300 }, (_, id) => ({
      payload: { id, name: `n${id}` } as Record<string, unknown>,
    }));
    batch[7] = { payload: { id: 'seven', name: 'x' } };
    batch[8] = { payload: { id: 8, name: 'bad' } };
    batch[100] = { payload: { id: 5, name: 'a second 5' } };
    batch[299] = { payload: { id: 299, name: 'nul\0' } };
    const failures = await failuresOf(write({ table, atomic }, batch as Partial<Message>[]));
    expect(failures.map(({ index, code }) => [index, code])).toEqual(
      [7, 8, 100, 299].map((index) => [index, 'message_invalid']),
    );
    expect(failures.map(({ text }) => text)).toEqual([
      expect.stringContaining('invalid input syntax for type integer: "seven"'),
      expect.stringContaining('violates check constraint'),
      expect.stringContaining('duplicate key value'),
      expect.stringContaining('invalid byte sequence for encoding "UTF8": 0x00'),
    ]);
    const rows = await database.rows(`SELECT id, name FROM ${table} ORDER BY id`);
    const expected = batch.map(({ payload }) => payload).filter((_, index) => ![7, 8, 100, 299].includes(index));
    expect(rows).toEqual(expected);
  });

  test('upserts: the last change of a key wins, absent fields stay, and a null payload deletes', async () => {
    const table = await database.table("id int PRIMARY KEY, a text, b text DEFAULT 'none'");
    await write(
      { table, atomic, mode: 'upsert', key: ['id'] },
      [
        { payload: { id: 1, a: 'x', b: 'x' } },
        { payload: { id: 1, a: 'y' } },
        { payload: { id: 2, a: 'gone' } },
        { key: { id: 2 }, payload: null },
        { payload: { id: 3, a: 'z' } },
        { payload: { id: 4, a: 'four', b: 'four' } },
      ],
      [
        { payload: { id: 3, b: 'later' } },
        // Deleted and made again: nothing of the old row stays.
        { key: 4, payload: null },
        { payload: { id: 4, a: 'again' } },
        { key: Buffer.from('77'), payload: null },
      ],
    );
    expect(await database.rows(`SELECT * FROM ${table} ORDER BY id`)).toEqual([
      { id: 1, a: 'y', b: 'x' },
      { id: 3, a: 'z', b: 'later' },
      { id: 4, a: 'again', b: 'none' },
    ]);
  });

  test('mirrors what happened to rows, changes of their keys and truncate among it', async () => {
    const table = await database.table('id int PRIMARY KEY, name text, big text');
    const config: Omit<PostgresSinkConfig, 'url'> = { table, atomic, mode: 'mirror' };
    await write(config, [
      { operation: 'create', payload: { id: 9, name: 'before the truncate', big: '' } },
      { operation: 'truncate' },
      { operation: 'snapshot', payload: { id: 1, name: 'one', big: 'toast' } },
      { operation: 'create', payload: { id: 2, name: 'two', big: 'two' } },
      { operation: 'create', payload: { id: 3, name: 'three', big: 'three' } },
      { operation: 'update', before: { id: 1 }, payload: { id: 11, name: 'moved' } },
      { operation: 'update', payload: { id: 2, name: 'second' } },
      { operation: 'delete', before: { id: 3 }, key: { id: 3 }, payload: null },
    ]);
    await write(config, [
      { operation: 'update', before: { id: 11 }, payload: { id: 12, name: 'again' } },
      { operation: 'update', before: { id: 5 }, payload: { id: 6, name: 'was not here', big: 'x' } },
    ]);
    expect(await database.rows(`SELECT * FROM ${table} ORDER BY id`)).toEqual([
      { id: 2, name: 'second', big: 'two' },
      { id: 6, name: 'was not here', big: 'x' },
      { id: 12, name: 'again', big: 'toast' },
    ]);
    await write(config, [{ operation: 'truncate' }]);
    expect(await database.rows(`SELECT * FROM ${table}`)).toEqual([]);
  });

  test('writes a bad row in the middle of upserts to nobody, and everything else', async () => {
    const table = await database.table('id numeric PRIMARY KEY, n int NOT NULL');
    const batch = [
      { payload: { id: '1', n: 1 } },
      { payload: { id: '2', n: null } },
      { payload: { id: '3', n: 3 } },
      // For the server the same key as the first.
      { payload: { id: '1.0', n: 10 } },
      { payload: { id: '3', n: 33 } },
      { payload: { n: 4 } },
    ];
    const failures = await failuresOf(write({ table, atomic, mode: 'upsert' }, batch));
    expect(failures.map(({ index }) => index)).toEqual([1, 5]);
    expect(failures[0]?.text).toContain('null value in column "n"');
    expect(failures[1]?.text).toContain('has no value for the key "id"');
    expect(await database.rows(`SELECT id::int, n FROM ${table} ORDER BY id`)).toEqual([
      { id: 1, n: 10 },
      { id: 3, n: 33 },
    ]);
  });

  test('routes by a template, makes tables from schemas and from values, and adds columns', async () => {
    const topic = `made ${Math.random()}`;
    const schema: MessageSchema = {
      name: topic,
      fields: [
        { name: 'id', type: 'bigint', nullable: false },
        { name: 'price', type: 'numeric(10,2)', nullable: true },
        { name: 'evil', type: 'int); DROP TABLE x; --', nullable: true },
      ],
      key: ['id'],
    };
    const config: Omit<PostgresSinkConfig, 'url'> = { table: '"{topic}"', atomic, create: true, evolve: 'add-columns' };
    await write({ ...config, mode: 'upsert' }, [
      { topic, schema, payload: { id: 9007199254740993n, price: '1.50', evil: 'x' } },
    ]);
    await write(
      config,
      [
        {
          topic: `${topic} 2`,
          payload: { flag: true, count: 1, ratio: 0.5, at: new Date(0), list: [1], raw: Buffer.from([0]) },
        },
      ],
      [{ topic: `${topic} 2`, payload: { flag: false, more: 'm', 'even more': null } }],
    );
    const types = async (table: string): Promise<unknown> =>
      Object.fromEntries(
        (
          await database.rows(
            `SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute
             WHERE attrelid = to_regclass($1) AND attnum > 0`,
            [`"${table}"`],
          )
        ).map((row) => [row['attname'], row['type']]),
      );
    expect(await types(topic)).toEqual({ id: 'bigint', price: 'numeric(10,2)', evil: 'text' });
    expect(await types(`${topic} 2`)).toEqual({
      flag: 'boolean',
      count: 'bigint',
      ratio: 'double precision',
      at: 'timestamp with time zone',
      list: 'jsonb',
      raw: 'bytea',
      more: 'text',
      'even more': 'text',
    });
    expect(await database.rows(`SELECT id::text, price::text, evil FROM "${topic}"`)).toEqual([
      { id: '9007199254740993', price: '1.50', evil: 'x' },
    ]);
    expect(await database.rows(`SELECT flag, more FROM "${topic} 2" ORDER BY flag`)).toEqual([
      { flag: false, more: 'm' },
      { flag: true, more: null },
    ]);
  });
});

test('maps parts of the message to columns, and bytes go into a JSON column untouched', async () => {
  const table = await database.table(
    'k text, data json, at timestamptz, source text, topic text, DEFAULTED int DEFAULT 7',
  );
  const columns = { k: 'key', data: 'payload', at: 'timestamp', source: 'headers.source', topic: 'topic' };
  const json = '{ "a":1.10,  "b":"\\u00e9\\n", "c": 12345678901234567890 }';
  await write({ table, columns }, [
    {
      key: Buffer.from('é'),
      payload: Buffer.from(json),
      timestamp: 1_000,
      topic: 't',
      headers: [
        ['source', 'first'],
        ['source', 'last'],
      ],
    },
    { key: 'n', payload: null },
  ]);
  expect(
    await database.rows(`SELECT k, data::text, at, source, topic, defaulted FROM ${table} ORDER BY k DESC`),
  ).toEqual([
    { k: 'é', data: json, at: new Date(1_000), source: 'last', topic: 't', defaulted: 7 },
    { k: 'n', data: null, at: null, source: null, topic: null, defaulted: 7 },
  ]);
});

test('refuses a field without a column, a text that is not Unicode, and a payload without fields', async () => {
  const table = await database.table('id int, name text');
  const failures = await failuresOf(
    write({ table }, [
      { payload: { id: 1, colour: 'red' } },
      { payload: { id: 2, name: 'half \ud83d' } },
      { payload: 'text' },
      { payload: null },
      { payload: { id: 5 } },
    ]),
  );
  expect(failures.map(({ index, text }) => [index, text])).toEqual([
    [0, expect.stringContaining('has no column "colour"')],
    [1, expect.stringContaining('surrogate')],
    [2, expect.stringContaining('not an object')],
    [3, expect.stringContaining('it is null')],
  ]);
  expect(await database.rows(`SELECT * FROM ${table}`)).toEqual([{ id: 5, name: null }]);
});

test('leaves generated columns to the server and fills identity columns from the source', async () => {
  const table = await database.table(
    'id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED',
  );
  await write({ table, mode: 'upsert' }, payloads({ id: 40, n: 1, twice: 99 }));
  await write({ table, mode: 'append' }, payloads({ id: 41, n: 2 }, { n: 3 }));
  expect(await database.rows(`SELECT n, twice FROM ${table} ORDER BY n`)).toEqual([
    { n: 1, twice: 2 },
    { n: 2, twice: 4 },
    { n: 3, twice: 6 },
  ]);
});

test('upserts rows that are nothing but their key', async () => {
  const table = await database.table('a int, b text, PRIMARY KEY (a, b)');
  await write({ table, mode: 'upsert' }, payloads({ a: 1, b: 'x' }), payloads({ a: 1, b: 'x' }, { a: 1, b: 'y' }));
  expect(await database.rows(`SELECT * FROM ${table} ORDER BY b`)).toEqual([
    { a: 1, b: 'x' },
    { a: 1, b: 'y' },
  ]);
});

test('leaves an identity column that is GENERATED ALWAYS as it is in a row that is there', async () => {
  const table = await database.table('id int PRIMARY KEY, n int, serial bigint GENERATED ALWAYS AS IDENTITY');
  await write({ table, mode: 'upsert' }, payloads({ id: 1, n: 1, serial: 70 }), payloads({ id: 1, n: 2, serial: 71 }));
  expect(await database.rows(`SELECT n, serial::int FROM ${table}`)).toEqual([{ n: 2, serial: 70 }]);
});

test.each([
  [{ table: 'not_there' }, 'not_found', 'does not exist'],
  [{ table: 'no_schema.orders', create: true }, 'not_found', 'no_schema'],
] as const)('says what is wrong with %j', async (config, code, text) => {
  await expect(write(config, payloads({ id: 1 }))).rejects.toMatchObject({
    code,
    message: expect.stringContaining(text),
  });
});

test('asks for a key where there is none, and for an index that fits it', async () => {
  const table = await database.table('id int, name text');
  await expect(write({ table, mode: 'upsert' }, payloads({ id: 1 }))).rejects.toMatchObject({ code: 'config_invalid' });
  await expect(write({ table, mode: 'upsert', key: ['id'] }, payloads({ id: 1 }))).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('unique index'),
  });
});
