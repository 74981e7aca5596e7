import type { Message, ReadBatch } from '@sluice/core';
import { uniqueName } from '@sluice/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CdcSourceConfig } from '../src/cdc-config.js';
import { postgres } from '../src/connector.js';
import { cdcConfig, patience } from './cdc.js';
import { type Database, useDatabase } from './database.js';

/** All rows of tables, as a source that ends reads them. */
async function rowsOf(database: Database, config: Partial<CdcSourceConfig> & { tables: string[] }): Promise<Message[]> {
  const messages: Message[] = [];
  const source = postgres.source({
    url: database.server.url,
    mode: 'cdc',
    snapshot: 'only',
    ...config,
  } as CdcSourceConfig);
  for await (const batch of source.read()) messages.push(...batch.messages);
  return messages;
}

/** Reads rows and changes, and commits every batch. */
function follow(config: CdcSourceConfig): { messages: Message[]; batches: ReadBatch[]; stop(): Promise<void> } {
  const messages: Message[] = [];
  const batches: ReadBatch[] = [];
  const controller = new AbortController();
  const reading = (async () => {
    for await (const batch of postgres.source(config).read({ signal: controller.signal, name: uniqueName('reader') })) {
      batches.push(batch);
      messages.push(...batch.messages);
      await batch.commit();
    }
  })();
  reading.catch(() => undefined); // stop tells
  const stop = async (): Promise<void> => {
    controller.abort();
    await reading;
  };
  onTestFinished(() => stop());
  return { messages, batches, stop };
}

describe.each([17, 18] as const)('a snapshot of Postgres %i', (version) => {
  const database = useDatabase(version);

  it('reads the rows of a table, and ends', async () => {
    const table = await database.table('id int primary key, name text, big bigint, at timestamptz');
    await database.rows(
      `insert into ${table} values (2, E'a\\tb\\\\n\\n', 9007199254740993, '2026-01-02'), (-1, null, 1, null)`,
    );
    const messages = await rowsOf(database, { tables: [table] });
    expect(messages).toMatchObject([
      { operation: 'snapshot', key: { id: -1 }, payload: { id: -1, name: null, big: 1, at: null } },
      { key: { id: 2 }, payload: { id: 2, name: 'a\tb\\n\n', big: 9007199254740993n, at: '2026-01-02T00:00:00Z' } },
    ]);
  });

  it('reads a table in chunks', async () => {
    const table = await database.table('id int primary key');
    await database.rows(`insert into ${table} select generate_series(1, 5000)`);
    const messages = await rowsOf(database, { tables: [table], snapshotChunkRows: 100 });
    expect(messages.map(({ payload }) => (payload as { id: number }).id).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 5000 }, (_, index) => index + 1),
    );
  });

  it('reads rows first, then changes', async () => {
    const table = await database.table('id int primary key, name text');
    await database.rows(`insert into ${table} values (1, 'a'), (2, 'b')`);
    const { messages } = follow(cdcConfig(database, { snapshot: 'initial', tables: [table] }));
    await expect.poll(() => messages.length, patience).toBe(2);
    await database.rows(`update ${table} set name = 'c' where id = 1`);
    await expect.poll(() => messages.length, patience).toBe(3);
    expect(messages.map(({ operation, key }) => [operation, key])).toEqual([
      ['snapshot', { id: 1 }],
      ['snapshot', { id: 2 }],
      ['update', { id: 1 }],
    ]);
  });
});
