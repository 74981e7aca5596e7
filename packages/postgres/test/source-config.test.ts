import { pipeline } from '@sluice/core';
import { expect, test } from 'vitest';
import { postgres } from '../src/index.js';

const url = 'postgresql://app:secret-word@db.example/shop';

test.each([
  [{ url }, '"cdc", "poll" or "listen"'],
  [{ url, mode: 'pol' }, 'expected "cdc", "poll" or "listen"'],
  [{ url, mode: 'poll' }, 'give either table or query'],
  [{ url, mode: 'poll', table: 't' }, 'cursor: missing'],
  [{ url, mode: 'poll', table: 't', query: 'select 1', cursor: 'c', key: ['c'] }, 'give either table or query'],
  [{ url, mode: 'poll', query: 'select 1', cursor: 'c' }, 'key: missing'],
  [{ url, mode: 'poll', table: 't', cursor: 'c', parameters: [1] }, 'parameters: means nothing with table'],
  [{ url, mode: 'poll', table: 't', cursor: 'c', refresh: 'full' }, 'cursor: means nothing with refresh: full'],
  [{ url, mode: 'poll', table: 't', curser: 'c', key: ['a'] }, 'curser: unknown key, did you mean "cursor"?'],
  [{ url, mode: 'poll', table: 't', cursor: 'c', chanels: ['a'] }, 'chanels: unknown key'],
  [{ url, mode: 'listen' }, 'channels: missing'],
  [{ url, mode: 'listen', chanels: ['a'] }, 'chanels: unknown key, did you mean "channels"?'],
  [{ url, mode: 'listen', channels: ['a'], table: 't' }, 'cursor: missing'],
  [{ url, mode: 'listen', channels: ['a'], cursor: 'c' }, 'cursor: means nothing without table or query'],
  [{ url, mode: 'listen', channels: ['a'], install: true }, 'install: needs a table'],
  [{ url, mode: 'listen', channels: ['a'], table: 'a.b.c', cursor: 'c' }, 'is no name of a table'],
])('the source refuses %j', (config, text) => {
  const build = (): unknown => postgres.source(config as Parameters<typeof postgres.source>[0]); // Wrong on purpose.
  expect(build).toThrow(text);
  expect(build).not.toThrow('secret-word');
});

test('all errors of a mode come at once', () => {
  const wrong = { mode: 'poll', tabel: 't', bounded: 'yes', intervalMs: 0, parameters: [{}], more: 1 };
  const build = (): unknown => postgres.source(wrong as unknown as Parameters<typeof postgres.source>[0]); // Wrong on purpose.
  for (const text of ['did you mean "table"?', 'bounded: ', 'intervalMs: ', 'parameters[0]: ', 'more: unknown key'])
    expect(build).toThrow(text);
});

test('capabilities follow the mode', () => {
  const of = (config: object): unknown =>
    postgres.source({ url, ...config } as Parameters<typeof postgres.source>[0]).capabilities; // valid, as it parses
  const rows = { position: 'engine', replayable: true, keyed: true, changes: false, order: 'partition' };
  const polled = { table: 't', cursor: 'c' };
  expect(of({ mode: 'cdc', slot: 's', publication: 'p' })).toMatchObject({ changes: true, keyed: false });
  expect(of({ mode: 'poll', ...polled, bounded: true })).toMatchObject({ ...rows, bounded: true });
  expect(of({ mode: 'listen', channels: ['a'], ...polled })).toMatchObject({ ...rows, bounded: false });
  expect(of({ mode: 'listen', channels: ['a'] })).toMatchObject({ position: 'none', replayable: false });
});

test('the guarantee of notifications alone is at-most-once, and effectively once with a table', () => {
  const sink = postgres.sink({ url, table: 't' });
  const guarantee = (config: object): string =>
    pipeline({
      name: 'p',
      source: postgres.source({ url, mode: 'listen', channels: ['a'], ...config }),
      sink,
    }).guarantee.delivery;
  expect(guarantee({})).toBe('at-most-once');
  expect(guarantee({ table: 'u', cursor: 'c' })).toBe('effectively-once');
});

test('a pipeline that would poll the table that it writes to is refused', async () => {
  const sink = postgres.sink({ url, table: 'sales.orders' });
  const run = (table: string): Promise<unknown> =>
    pipeline({ name: 'p', source: postgres.source({ url, mode: 'poll', table, cursor: 'c' }), sink }).run({
      signal: AbortSignal.abort(),
    });
  await expect(run('sales.orders')).rejects.toMatchObject({ code: 'config_invalid' });
});
