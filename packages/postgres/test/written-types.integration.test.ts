import type { Value } from '@sluice/core';
import { describe, expect, test } from 'vitest';
import { postgres } from '../src/index.js';
import { useDatabase } from './database.js';

/** A type, a value as messages have it, and what the server then holds, as its text. */
const cases: readonly (readonly [type: string, value: Value, stored: string])[] = [
  ['smallint', -32768, '-32768'],
  ['bigint', 9223372036854775807n, '9223372036854775807'],
  ['bigint', '9223372036854775807', '9223372036854775807'],
  ['numeric', '123456789012345678901234567890.123456789', '123456789012345678901234567890.123456789'],
  ['numeric', 123456789012345678901234567890n, '123456789012345678901234567890'],
  ['numeric', Number.NaN, 'NaN'],
  ['numeric(6,2)', 1.5, '1.50'],
  ['double precision', 0.1, '0.1'],
  ['double precision', Number.NEGATIVE_INFINITY, '-Infinity'],
  ['double precision', -0, '-0'],
  ['real', Number.NaN, 'NaN'],
  ['boolean', true, 'true'],
  ['boolean', 'f', 'false'],
  ['text', 'tab\t line\nback\\slash é 😀 \\N', 'tab\t line\nback\\slash é 😀 \\N'],
  ['text', '', ''],
  ['text', Buffer.from('é'), 'é'],
  ['text', { a: 1 }, '{"a":1}'],
  ['char(4)', 'ab', 'ab'],
  ['bytea', Buffer.from([0, 92, 255]), '\\x005cff'],
  ['timestamptz', new Date('2026-11-21T05:00:00.123Z'), '2026-11-21 05:00:00.123+00'],
  ['timestamptz', 1_000, '1970-01-01 00:00:01+00'],
  ['timestamptz', '2026-11-21 05:00:00.123456+02', '2026-11-21 03:00:00.123456+00'],
  ['timestamptz', 'infinity', 'infinity'],
  ['timestamptz', new Date('-000043-03-15T00:00:00Z'), '0044-03-15 00:00:00+00 BC'],
  ['timestamptz', new Date('+012345-01-02T00:00:00Z'), '12345-01-02 00:00:00+00'],
  ['timestamp', new Date('2026-11-21T05:00:00Z'), '2026-11-21 05:00:00'],
  ['date', new Date('2026-11-21T05:00:00Z'), '2026-11-21'],
  ['time', '05:00:00.5', '05:00:00.5'],
  ['interval', '1 day 02:00:00', '1 day 02:00:00'],
  ['uuid', '0b5a4e36-9d3c-4f0a-8f43-1d6a3a3a3a3a', '0b5a4e36-9d3c-4f0a-8f43-1d6a3a3a3a3a'],
  ['json', { b: 1.5, a: [null, 'é'] }, '{"b":1.5,"a":[null,"é"]}'],
  ['json', Buffer.from('{ "n": 1.10 }'), '{ "n": 1.10 }'],
  ['jsonb', 'text', '"text"'],
  ['jsonb', 12345678901234567890n, '"12345678901234567890"'],
  ['int[]', [1, null, -2], '{1,NULL,-2}'],
  ['text[]', ['a,b', '"', '\\', 'NULL', '', null, 'x\ty'], '{"a,b","\\"","\\\\","NULL","",NULL,"x\ty"}'],
  [
    'int[]',
    [
      [1, 2],
      [3, 4],
    ],
    '{{1,2},{3,4}}',
  ],
  ['jsonb[]', [{ a: 1 }, [2]], '{"{\\"a\\": 1}",[2]}'],
  ['bytea[]', [Buffer.from([1])], '{"\\\\x01"}'],
  ['timestamptz[]', [new Date(0)], '{"1970-01-01 00:00:00+00"}'],
  ['int4range', '[1,5)', '[1,5)'],
  ['int4multirange', '{[1,3),[5,9)}', '{[1,3),[5,9)}'],
  ['inet', '10.0.0.1/8', '10.0.0.1/8'],
  ['point', '(1,2)', '(1,2)'],
  ['mood', 'so "so"', 'so "so"'],
  ['pair', '(1,"a ""b""")', '(1,"a ""b""")'],
  ['email', 'a@example', 'a@example'],
  ['details', { a: 1 }, '{"a": 1}'],
  ['xml', '<a>é</a>', '<a>é</a>'],
  ['bit varying', '0101', '0101'],
  ['tsvector', "'a' 'b'", "'a' 'b'"],
];

describe.each([15, 18] as const)('Postgres %i', (version) => {
  const database = useDatabase(version);

  test.each(['append', 'upsert'] as const)('holds every type as it was given, with mode %s', async (mode) => {
    await database.native.query(`DROP TYPE IF EXISTS mood, pair CASCADE; DROP DOMAIN IF EXISTS email, details CASCADE;
      CREATE TYPE mood AS ENUM ('so "so"'); CREATE TYPE pair AS (a int, b text);
      CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%'); CREATE DOMAIN details AS jsonb; SET TIME ZONE 'UTC'`);
    const columns = cases.map(([type], index) => `c${index} ${type}`);
    const table = await database.table(`id int PRIMARY KEY, ${columns.join(', ')}`);
    const payload = Object.fromEntries([['id', 1], ...cases.map(([, value], index) => [`c${index}`, value])]);
    const sink = await postgres.sink({ url: database.server.url, table, mode }).open();
    await sink.write([{ payload }]);
    await sink.close();
    const [row] = await database.rows(
      `SELECT ${columns.map((_, index) => `c${index}::text`).join(', ')} FROM ${table}`,
    );
    expect(cases.map(([type, value], index) => [type, value, row?.[`c${index}`]])).toEqual(cases);
  });
});
