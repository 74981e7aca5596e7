import { describe, expect, it } from 'vitest';
import { cdcConfig, openCdc, started } from './cdc.js';
import { useDatabase } from './database.js';

/** Type, literals, and the values that they become. */
const cases: readonly (readonly [type: string, ...examples: (readonly [literal: string, value: unknown])[]])[] = [
  ['boolean', ['true', true], ['false', false]],
  ['smallint', ['-32768', -32_768]],
  ['integer', ['2147483647', 2_147_483_647]],
  [
    'bigint',
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['9007199254740993', 9_007_199_254_740_993n],
    ['-9223372036854775808', -(2n ** 63n)],
  ],
  ['oid', ['4294967295', 4_294_967_295]],
  ['real', ['0.1', 0.1], ['1e-45', 1e-45], ['NaN', Number.NaN], ['-Infinity', Number.NEGATIVE_INFINITY]],
  [
    'double precision',
    ['0.1', 0.1],
    ['5e-324', 5e-324],
    ['-0', -0],
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
  ],
  [
    'numeric',
    ['12345678901234567890.0987654321000', '12345678901234567890.0987654321000'],
    ['NaN', 'NaN'],
    ['-Infinity', '-Infinity'],
  ],
  ['numeric(10,2)', ['1', '1.00']],
  ['money', ['1234.5', '$1,234.50']],
  ['text', ['', ''], ['a\u0001\\\t\n"ü😀', 'a\u0001\\\t\n"ü😀']],
  ['character(4)', ['ab', 'ab  ']],
  ['character varying(4)', ['ab', 'ab']],
  ['name', ['n', 'n']],
  ['"char"', ['x', 'x']],
  ['bytea', ['\\x', Buffer.alloc(0)], ['\\x00ff5c27', Buffer.from([0, 255, 92, 39])]],
  ['date', ['2026-02-28', '2026-02-28'], ['0044-03-15 BC', '0044-03-15 BC'], ['infinity', 'infinity']],
  ['time', ['23:59:59.999999', '23:59:59.999999'], ['24:00', '24:00:00']],
  ['time with time zone', ['12:00+05:30', '12:00:00+05:30']],
  [
    'timestamp',
    ['2026-02-28 12:34:56.789012', '2026-02-28T12:34:56.789012'],
    ['0044-03-15 00:00 BC', '0044-03-15 00:00:00 BC'],
    ['-infinity', '-infinity'],
  ],
  [
    'timestamp with time zone',
    ['2026-02-28 12:34:56.789012+02', '2026-02-28T10:34:56.789012Z'],
    ['294276-12-31 00:00+00', '294276-12-31T00:00:00Z'],
    ['0044-03-15 00:00+00 BC', '0044-03-15 00:00:00+00 BC'],
    ['infinity', 'infinity'],
  ],
  ['interval', ['1 year -2 mons 3 days 04:05:06.789', 'P10M3DT4H5M6.789S'], ['-00:00:01', 'PT-1S']],
  ['uuid', ['A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']],
  ['json', ['{"a": 1.10, "a":  null}', '{"a": 1.10, "a":  null}'], ['null', 'null']],
  ['jsonb', ['{"n": 12345678901234567890.10}', '{"n": 12345678901234567890.10}'], ['"text"', '"text"']],
  ['xml', ['<a>ü</a>', '<a>ü</a>']],
  ['inet', ['192.0.2.1/24', '192.0.2.1/24']],
  ['cidr', ['2001:db8::/32', '2001:db8::/32']],
  ['macaddr', ['08:00:2B:01:02:03', '08:00:2b:01:02:03']],
  ['bit(4)', ['1010', '1010']],
  ['bit varying', ['', ''], ['101', '101']],
  ['point', ['(1.5,-2)', '(1.5,-2)']],
  ['box', ['(1,1),(0,0)', '(1,1),(0,0)']],
  ['tsvector', ["'a':1 'b c':2A", "'a':1 'b c':2A"]],
  ['pg_lsn', ['16/B374D848', '16/B374D848']],
  ['int4range', ['[1,5]', '[1,6)'], ['empty', 'empty'], ['(,)', '(,)']],
  ['numrange', ['[1.10,)', '[1.10,)']],
  ['tstzrange', ['[2026-01-01 00:00+00,infinity)', '["2026-01-01 00:00:00+00",infinity)']],
  ['int4multirange', ['{[1,3),[5,8)}', '{[1,3),[5,8)}']],
  ['mood', ['so so', 'so so']],
  ['pair', ['(1,"a ""b"", c")', '(1,"a ""b"", c")'], ['(,)', '(,)']],
  ['positive', ['9007199254740993', 9_007_199_254_740_993n]],
  ['positives', ['{1,NULL}', [1, null]]],
  ['plain', ['{"a":  1.10}', '{"a":  1.10}'], ['null', 'null']],
  ['details', ['{"n": 12345678901234567890.10}', '{"n": 12345678901234567890.10}'], ['"text"', '"text"']],
  ['more_details', ['null', 'null']],
  ['lists', ['{"{\\"a\\":  1}",NULL,"null"}', ['{"a":  1}', null, 'null']]],
  [
    'integer[]',
    ['{}', []],
    ['{1,NULL,-3}', [1, null, -3]],
    [
      '{{1,2},{3,4}}',
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ['[0:1]={1,2}', '[0:1]={1,2}'],
  ],
  ['bigint[]', ['{1,9007199254740993}', [1, 9_007_199_254_740_993n]]],
  ['text[]', ['{a,"",NULL,"NULL","a,b","\\"q\\"","\\\\","{}"}', ['a', '', null, 'NULL', 'a,b', '"q"', '\\', '{}']]],
  ['boolean[]', ['{t,f}', [true, false]]],
  ['bytea[]', ['{"\\\\x00ff",NULL}', [Buffer.from([0, 255]), null]]],
  ['double precision[]', ['{NaN,-Infinity,1.5}', [Number.NaN, Number.NEGATIVE_INFINITY, 1.5]]],
  ['numeric(6,2)[]', ['{1,NaN}', ['1.00', 'NaN']]],
  ['timestamptz[]', ['{"2026-01-01 00:00+01",infinity}', ['2025-12-31T23:00:00Z', 'infinity']]],
  ['jsonb[]', ['{"{\\"a\\": 1}"}', ['{"a": 1}']]],
  ['mood[]', ['{"so so",happy}', ['so so', 'happy']]],
  ['positive[]', ['{1,2}', [1, 2]]],
  ['plain[]', ['{"{\\"a\\":  1.10}",NULL,"null"}', ['{"a":  1.10}', null, 'null']]],
  ['details[]', ['{{"1","\\"a\\""}}', [['1', '"a"']]]],
  ['more_details[]', ['{"{\\"a\\": 1}"}', ['{"a": 1}']]],
  ['positives[]', ['{"{1,NULL}","{}"}', '{"{1,NULL}","{}"}']],
  ['box[]', ['{(1,1),(0,0);(2,2),(1,1)}', '{(1,1),(0,0);(2,2),(1,1)}']],
  ['int2vector', ['1 2', '1 2']],
];

const columns = cases.map(([type], index) => `c${index} ${type}`).join(', ');
const rows = Math.max(...cases.map((each) => each.length - 1));

describe.each([15, 18] as const)('types of Postgres %i', (version) => {
  const database = useDatabase(version);

  it('become values without loss, whatever the settings of server and database, and NULL stays null', async () => {
    await database.rows(`create type mood as enum ('happy', 'so so')`);
    await database.rows('create type pair as (a int, b text)');
    await database.rows('create domain positive as bigint check (value > 0)');
    await database.rows('create domain positives as int[]');
    await database.rows('create domain plain as json; create domain details as jsonb');
    await database.rows('create domain more_details as details; create domain lists as json[]');
    for (const setting of [
      `datestyle = 'SQL, DMY'`,
      `timezone = 'Asia/Kathmandu'`,
      `bytea_output = 'escape'`,
      `intervalstyle = 'sql_standard'`,
      'extra_float_digits = 0',
    ])
      await database.rows(`alter database postgres set ${setting}`);
    const table = await database.table(`id int primary key, ${columns}`);
    const config = cdcConfig(database, { tables: [table] });
    const reader = await started(await openCdc(config));
    // The literals above are as Postgres writes them by default.
    await database.rows(`set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set timezone = 'UTC'`);
    const literals = (row: number): (string | null)[] =>
      cases.map((each) => (each[row + 1]?.[0] as string | undefined) ?? null);
    const parameters = cases.map(([type], index) => `$${index + 2}::text::${type}`).join(', ');
    for (let row = 0; row <= rows; row++)
      await database.rows(`insert into ${table} values ($1, ${parameters})`, [row, ...literals(row)]);
    const messages = await reader.take(rows + 1);
    for (const [index, [type, ...examples]] of cases.entries()) {
      for (let row = 0; row <= rows; row++) {
        const payload = messages[row]?.payload as Record<string, unknown>; // a row
        expect(payload[`c${index}`], `${type}, row ${row}`).toEqual(examples[row]?.[1] ?? null);
      }
    }
    const types = messages[0]?.schema?.fields.slice(1).map(({ type }) => type);
    const real = await database.rows(
      `select format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = $1::regclass and attnum > 1 order by attnum`,
      [table],
    );
    expect(types).toEqual(real.map(({ type }) => type));
    await lossless(
      table,
      messages.map(({ payload }) => payload as Record<string, unknown>),
    );
  });

  /** Writes the values back as text and lets the server compare. */
  async function lossless(table: string, payloads: readonly Record<string, unknown>[]): Promise<void> {
    for (const [row, payload] of payloads.entries()) {
      for (const [index, [type]] of cases.entries()) {
        const text = literalOf(payload[`c${index}`]);
        const sql = `select c${index}::text is not distinct from ($1::text::${type})::text as same from ${table} where id = $2`;
        const [result] = await database.rows(sql, [text, row]);
        expect(result?.['same'], `${type}, row ${row}: ${text}`).toBe(true);
      }
    }
  }
});

function literalOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) {
    const items = value.map((item) => {
      const text = literalOf(item);
      if (text === null) return 'NULL';
      return Array.isArray(item) ? text : `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
    });
    return `{${items.join(',')}}`;
  }
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  if (typeof value === 'object') throw new TypeError('an object is no value of a column');
  return Object.is(value, -0) ? '-0' : `${value as string | number | bigint | boolean}`; // what is left
}
