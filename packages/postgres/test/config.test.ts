import { pipeline } from '@sluice/core';
import { expect, test } from 'vitest';
import { postgres } from '../src/index.js';

const url = 'postgresql://app:secret-word@db.example/shop';

test.each([
  [{ table: 't' }, 'give either url or host'],
  [{ url: 'http://db', table: 't' }, 'must be postgresql://'],
  [{ url, table: 't', mode: 'append', key: ['id'] }, 'means nothing with mode append'],
  [{ url, table: 't', mode: 'upsert', key: ['id'], columns: { data: 'payload' } }, '"id" is not among columns'],
  [{ url, table: 't', columns: { data: 'body' } }, 'must be payload'],
  [{ url, table: 't', columns: {} }, 'must name a column'],
  [{ url, table: 'a.b.c' }, 'is no name of a table'],
  [{ url, table: '{oops}' }, 'is not a field'],
  [{ url, table: 't', sslcert: 'x' }, 'sslcert and sslkey are given together'],
  [{ url, table: 't', sslmode: 'maybe' }, 'sslmode'],
  [{ url, table: 't', tabel: 't' }, 'tabel'],
])('refuses %j', (config, text) => {
  const build = (): unknown => postgres.sink(config as Parameters<typeof postgres.sink>[0]); // Wrong on purpose.
  expect(build).toThrow(text);
  expect(build).not.toThrow('secret-word');
});

test('payloads arrive as bytes where nothing of them is looked at', () => {
  const payloadOf = (config: object): string => postgres.sink({ url, table: 't', ...config }).capabilities.payload;
  expect(payloadOf({ columns: { data: 'payload', k: 'key.id' } })).toBe('bytes');
  expect(payloadOf({ columns: { id: 'payload.id' } })).toBe('value');
  expect(payloadOf({ table: '{payload.table}', columns: { data: 'payload' } })).toBe('value');
  expect(payloadOf({})).toBe('value');
});

test('is atomic unless told otherwise, and idempotent by its key', () => {
  expect(postgres.sink({ url, table: 't' }).capabilities).toMatchObject({
    atomic: true,
    idempotent: false,
    overlap: 'ordered',
  });
  expect(postgres.sink({ url, table: 't', atomic: false, mode: 'mirror' }).capabilities).toMatchObject({
    atomic: false,
    idempotent: 'key',
    changes: true,
    overlap: 'partitions',
  });
});

test('names its table with its server, however the config says it', async () => {
  const targets = async (config: object): Promise<unknown> => {
    const { connector, config: parsed } = postgres.sink({ table: 'sales.orders', ...config });
    return await connector.sink?.writes?.(parsed, {});
  };
  const expected = [{ name: 'db.example:5432/shop "sales"."orders"', isShared: true }];
  expect(await targets({ url })).toEqual(expected);
  expect(await targets({ host: 'db.example', database: 'shop', table: '"sales"."orders"' })).toEqual(expected);
  expect(await targets({ url, table: '{topic}' })).toEqual([]);
});

test('remarks where the columns of a table that it makes come from', () => {
  const remarksOf = (config: object): readonly string[] => {
    const definition = {
      name: 'orders',
      source: postgres.source({ url, mode: 'cdc', slot: 's', publication: 'p' }),
      sink: postgres.sink({ url, table: '{topic}', mode: 'mirror', ...config }),
    };
    return pipeline(definition).remarks;
  };
  expect(remarksOf({})).toEqual([]);
  expect(remarksOf({ create: true, evolve: 'add-columns' })).toEqual([
    expect.stringMatching(/^sink: makes a missing table .* schema .* of the values in the first write/),
    expect.stringMatching(/^sink: adds columns .* schema .* of the values/),
  ]);
});

test.each([
  [{ snapshot: 'initial', publication: 'p' }, 'slot: is required'],
  [{ slot: 's' }, 'publication: is required'],
  [{ snapshot: 'only' }, 'tables: is required with snapshot "only"'],
  [{ snapshot: 'only', tables: ['t'], slot: 's' }, 'slot: is for changes'],
  [{ snapshot: 'only', tables: ['a.b.c'] }, 'is no name of a table'],
  [{ snapshot: 'sometimes', slot: 's', publication: 'p' }, 'snapshot'],
])('refuses a source of %j', (config, text) => {
  const build = (): unknown =>
    postgres.source({ url, mode: 'cdc', ...config } as Parameters<typeof postgres.source>[0]); // Wrong on purpose.
  expect(build).toThrow(text);
});

test('a source reads the rows that are there first, unless it is told otherwise', () => {
  const source = postgres.source({ url, mode: 'cdc', slot: 's', publication: 'p' });
  expect(source.config).toMatchObject({ snapshot: 'initial' });
  expect(source.capabilities.bounded).toBe(false);
  expect(postgres.source({ url, mode: 'cdc', snapshot: 'only', tables: ['t'] }).capabilities.bounded).toBe(true);
});
