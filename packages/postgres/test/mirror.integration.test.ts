import { map, pipeline } from '@sluice/core';
import { createMessage } from '@sluice/core/driver';
import { uniqueName } from '@sluice/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { postgres } from '../src/index.js';
import { cdcConfig, patience, streams } from './cdc.js';
import { useDatabase } from './database.js';

/** Types of columns, and literals for them. */
const types: Readonly<Record<string, readonly string[]>> = {
  boolean: ['true', 'false'],
  smallint: ['-32768'],
  integer: ['2147483647'],
  bigint: ['9007199254740993', '-9223372036854775808', '7'],
  oid: ['4294967295'],
  real: ['0.1', '1e-45', 'NaN', '-Infinity', '-0'],
  'double precision': ['0.1', '5e-324', 'NaN', 'Infinity', '-0'],
  numeric: ['12345678901234567890.0987654321000', 'NaN', '-Infinity'],
  'numeric(10,2)': ['1'],
  money: ['-1234.5'],
  text: ['', 'a\u0001\\\t\r\n"ü😀', '\\N', '\\.'],
  'character(4)': ['ab'],
  'character varying(4)': ['ab'],
  name: ['n'],
  '"char"': ['x'],
  citext: ['MiXed'],
  bytea: ['\\x', '\\x00ff5c27'],
  date: ['2026-02-28', '0044-03-15 BC', 'infinity'],
  time: ['23:59:59.999999', '24:00'],
  timetz: ['12:00+05:30'],
  timestamp: ['2026-02-28 12:34:56.789012', '0044-03-15 00:00 BC', '-infinity'],
  timestamptz: ['2026-02-28 12:34:56.789012+02', '294276-12-31 00:00+00', '0044-03-15 00:00+00 BC', 'infinity'],
  interval: ['1 year -2 mons 3 days 04:05:06.789', '-00:00:01'],
  uuid: ['A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'],
  json: ['{"a": 1.10, "a":  null}', 'null', '"text"', '[1]', '{ "digits": 12345678901234567890.10 }'],
  jsonb: ['{"n": 12345678901234567890.10}', 'null', '"text"', '[[1], "a"]', '7'],
  details: ['{"n": 1.10}', 'null', '"text"'],
  more_details: ['"text"', '{}'],
  plain: ['{"a":  1.10}', 'null', '"text"'],
  xml: ['<a>ü</a>'],
  inet: ['192.0.2.1/24'],
  cidr: ['2001:db8::/32'],
  macaddr: ['08:00:2B:01:02:03'],
  'bit(4)': ['1010'],
  'bit varying': ['', '101'],
  point: ['(1.5,-2)'],
  box: ['(1,1),(0,0)'],
  tsvector: ["'a':1 'b c':2A"],
  pg_lsn: ['16/B374D848'],
  hstore: ['a=>1, "b c"=>NULL'],
  int4range: ['[1,5]', 'empty', '(,)'],
  numrange: ['[1.10,)'],
  tstzrange: ['[2026-01-01 00:00+00,infinity)'],
  int4multirange: ['{[1,3),[5,8)}'],
  mood: ['so so'],
  pair: ['(1,"a ""b"", c")', '(,)'],
  positive: ['9007199254740993'],
  positives: ['{1,NULL}'],
  'integer[]': ['{}', '{1,NULL,-3}', '{{1,2},{3,4}}', '[0:1]={1,2}'],
  'bigint[]': ['{1,9007199254740993}'],
  'text[]': ['{a,"",NULL,"NULL","a,b","\\"q\\"","\\\\","{}"}'],
  'boolean[]': ['{t,f}'],
  'bytea[]': ['{"\\\\x00ff",NULL}'],
  'double precision[]': ['{NaN,-Infinity,1.5,-0}'],
  'numeric(6,2)[]': ['{1,NaN}'],
  'timestamptz[]': ['{"2026-01-01 00:00+01",infinity}'],
  'json[]': ['{"{\\"a\\":  1.10}",NULL,"null","\\"text\\""}', '[0:0]={7}'],
  'jsonb[]': ['{"{\\"a\\": 1}","[1]",NULL}', '{{1,2},{"\\"a\\"",null}}'],
  'details[]': ['{"{\\"a\\": 1}"}', '{{"1","\\"a\\""}}'],
  'more_details[]': ['{"[1]",NULL,"null"}'],
  'plain[]': ['{"{\\"a\\":  1.10}",NULL,"null"}'],
  lists: ['{"{\\"a\\":  1}",NULL,"null"}'],
  'positives[]': ['{"{1,NULL}","{}"}'],
  'mood[]': ['{"so so",happy}'],
  'pair[]': ['{"(1,\\"a,b\\")",NULL}'],
  'int4range[]': ['{"[1,3)"}'],
  'box[]': ['{(1,1),(0,0);(2,2),(1,1)}'],
  int2vector: ['1 2'],
};

const setUp = `
  create extension citext; create extension hstore;
  create type mood as enum ('happy', 'so so');
  create type pair as (a int, b text);
  create domain positive as bigint check (value > 0);
  create domain positives as int[];
  create domain details as jsonb;
  create domain more_details as details;
  create domain plain as json;
  create domain lists as json[];
  create schema original; create schema mirrored`;

/** Where sessions read and write values in ways of their own. */
const settings = [
  "datestyle = 'SQL, DMY'",
  "timezone = 'Asia/Kathmandu'",
  "bytea_output = 'escape'",
  "intervalstyle = 'sql_standard'",
  'extra_float_digits = 0',
];

/** A text that is stored apart from its row. */
const toasted = `(select string_agg(md5(n::text), '') from generate_series(1, 400) n)`;

describe.each([15, 18] as const)('a mirror of changes of Postgres %i', (version) => {
  const database = useDatabase(version);
  const run = async (sql: string): Promise<unknown> => await database.native.query(sql);

  /** Rows that only one of the two tables has, as texts, in which every value counts. */
  const differences = async (table: string): Promise<unknown[]> => {
    const [one, other] = [`select t::text from original.${table} t`, `select t::text from mirrored.${table} t`];
    return await database.rows(`((${one}) except all (${other})) union all ((${other}) except all (${one}))`);
  };

  test('has the same rows, whatever their types and whatever happens to them', async () => {
    await run(setUp);
    for (const setting of settings) await run(`alter database postgres set ${setting}`);
    const columns = Object.keys(types).map((type, at) => `c${at} ${type}`);
    const tables = ['plain', '"With.dot"'];
    for (const table of tables) {
      await run(`create table original.${table} (id int primary key, ${columns.join(', ')}, "__proto__" text, big text, same text);
        alter table original.${table} alter big set storage external;
        create table mirrored.${table} (like original.${table} including all)`);
    }
    await run('alter table original."With.dot" replica identity full');
    const config = cdcConfig(database, { tables: tables.map((table) => `original.${table}`) });
    const name = uniqueName('mirror');
    const stop = new AbortController();
    const running = pipeline({
      name,
      source: postgres.source(config),
      transforms: [map((message) => createMessage({ ...message, topic: `mirrored.${message.topic?.slice(9)}` }))],
      sink: postgres.sink({ url: database.server.url, table: '{topic}', mode: 'mirror' }),
      flush: { intervalMs: 20 },
    }).run({ signal: stop.signal });
    onTestFinished(async () => {
      stop.abort();
      await running;
    });
    await streams(database, config);

    /** Does something to both tables, and waits until both mirrors have it. */
    const change = async (sql: (table: string) => string): Promise<void> => {
      for (const table of tables) await run(sql(`original.${table}`));
      for (const table of tables) await expect.poll(() => differences(table), patience).toEqual([]);
    };
    const literals = Object.entries(types);
    for (let row = 0; literals.some(([, { length }]) => length >= row); row++) {
      const values = literals.map(([type, texts]) => `${literal(texts[row])}::${type}`);
      await change((table) => `insert into ${table} values (${row}, ${values.join(', ')}, 'p${row}', ${toasted}, 'a')`);
    }
    await change((table) => `update ${table} set same = 'b', c3 = 5 where id < 3`);
    await change((table) => `update ${table} set id = id + 100, same = 'moved' where id in (1, 2)`);
    await change(
      (table) => `update ${table} set id = -id where id > 100; update ${table} set big = null where id = -101`,
    );
    await change((table) => `delete from ${table} where id = 3; update ${table} set big = 'short' where id = 0`);
    await change(
      (table) => `begin; delete from ${table} where id = 0;
      insert into ${table} (id, "__proto__", same) values (0, 'again', 'again'); commit`,
    );
    const [count] = await database.rows(`select count(*)::int as rows from mirrored.plain where big = ${toasted}`);
    expect(count).toEqual({ rows: 3 });
    await change(
      (table) => `begin; insert into ${table} (id) values (50); truncate ${table};
      insert into ${table} (id, same) values (51, 'after'); commit`,
    );
    expect(await database.rows('select id, same from mirrored.plain')).toEqual([{ id: 51, same: 'after' }]);
  });
});

function literal(text: string | undefined): string {
  return text === undefined ? 'null' : `E'${text.replaceAll(/['\\]/g, '\\$&')}'`;
}
