import type { Message } from '@sluice/core';
import { describe, expect, test } from 'vitest';
import { type PostgresSinkConfig, postgres } from '../src/index.js';
import { useDatabase } from './database.js';

const database = useDatabase();

async function write(
  config: Omit<PostgresSinkConfig, 'url' | 'mode'>,
  ...batches: readonly (readonly Partial<Message>[])[]
): Promise<void> {
  const sink = await postgres.sink({ url: database.server.url, mode: 'mirror', ...config }).open();
  try {
    for (const batch of batches) await sink.write([...batch]);
  } finally {
    await sink.close();
  }
}

const columns = "id numeric PRIMARY KEY, name text, big text DEFAULT 'none'";

function rows(table: string): Promise<unknown> {
  return database.rows(`SELECT id::int, name, big FROM ${table} ORDER BY 1`);
}

describe.each([true, false])('a mirror of rows that get other keys (atomic: %s)', (atomic) => {
  test('keeps what is not named where the new key is the same for the server', async () => {
    const table = await database.table(columns);
    const create: Partial<Message> = { operation: 'create', payload: { id: '1', name: 'one', big: 'large' } };
    await write(
      { table, atomic },
      [create],
      [{ operation: 'update', before: { id: '1' }, payload: { id: '1.0', name: 'same' } }],
    );
    expect(await rows(table)).toEqual([{ id: 1, name: 'same', big: 'large' }]);
  });

  test('finds the row before the change where the column of the key comes from the key of the message', async () => {
    const table = await database.table(columns);
    await write(
      { table, atomic, columns: { id: 'key.id', name: 'payload.name' } },
      [
        { operation: 'create', key: { id: 1 }, payload: { name: 'one' } },
        { operation: 'create', key: { id: 3 }, payload: { name: 'three' } },
      ],
      [
        { operation: 'update', key: { id: 2 }, before: { id: 1 }, payload: { name: 'moved' } },
        { operation: 'delete', key: { id: 3 }, before: { name: 'three' }, payload: null },
      ],
    );
    expect(await rows(table)).toEqual([{ id: 2, name: 'moved', big: 'none' }]);
  });
});

// A source that is read at least once tells the same again, from anywhere on.
test.each([0, 1, 2, 3])(
  'a mirror that is not atomic is the same when changes from the one at %i on come again',
  async (from) => {
    const table = await database.table(`${columns}, serial int GENERATED ALWAYS AS IDENTITY`);
    const changes: readonly Partial<Message>[] = [
      { operation: 'create', payload: { id: 1, name: 'one', big: 'large', serial: 7 } },
      { operation: 'update', before: { id: 1 }, payload: { id: 2, name: 'moved', serial: 7 } },
      { operation: 'create', payload: { id: 1, name: 'another', big: 'larger' } },
      { operation: 'update', before: { id: 1 }, payload: { id: 3, name: 'moved, too' } },
    ];
    await write({ table, atomic: false }, changes, changes.slice(from));
    expect(await rows(table)).toEqual([
      { id: 2, name: 'moved', big: 'large' },
      { id: 3, name: 'moved, too', big: 'larger' },
    ]);
  },
);

// As under a constraint that is checked late, or where the source has another key.
test('an atomic mirror loses no row where keys are handed on from row to row: it refuses the change', async () => {
  const table = await database.table(columns);
  const create = [1, 2, 3].map((id): Partial<Message> => ({ operation: 'create', payload: { id, name: `row ${id}` } }));
  await write({ table, atomic: true }, create);
  const move: Partial<Message> = { operation: 'update', before: { id: 1 }, payload: { id: 2, name: 'row 1' } };
  await expect(write({ table, atomic: true }, [move])).rejects.toMatchObject({
    failures: [{ index: 0, error: { message: expect.stringContaining('duplicate key') } }],
  });
  expect(await rows(table)).toEqual([1, 2, 3].map((id) => ({ id, name: `row ${id}`, big: 'none' })));
});
