import type { DriverContext, Position, SourceDriver } from '@sluice/core/driver';
import type { Client } from 'pg';
import { expect, onTestFinished } from 'vitest';
import type { PollSourceConfig } from '../src/polling/poll-config.js';
import { openPostgresSource } from '../src/source.js';
import { type PostgresSourceConfig, sourceConfig } from '../src/source-config.js';
import { patience, Reader, type ReaderSettings, testContext } from './cdc.js';
import type { Database } from './database.js';

/** A config that looks again at once. */
export function pollConfig(database: Database, given: Omit<PollSourceConfig, 'mode'>): PollSourceConfig {
  return { url: database.server.url, mode: 'poll', intervalMs: 10, ...given };
}

export async function openSource(
  config: PostgresSourceConfig,
  context: DriverContext = testContext(),
): Promise<SourceDriver> {
  const driver = await openPostgresSource(sourceConfig.parse(config), {}, context);
  onTestFinished(() => driver.close());
  return driver;
}

/** Reads until the source ends by itself. */
export async function readAll(config: PostgresSourceConfig, settings: ReaderSettings = {}): Promise<Reader> {
  const reader = new Reader(await openSource(config), settings);
  await expect.poll(() => reader.ended, patience).toBe(true);
  if (reader.failure !== undefined) throw reader.failure;
  return reader;
}

/** Why a source cannot be opened or read. */
export async function refusal(config: PostgresSourceConfig, settings: ReaderSettings = {}): Promise<unknown> {
  try {
    const reader = new Reader(await openSource(config), settings);
    await expect.poll(() => reader.ended, patience).toBe(true);
    return reader.failure;
  } catch (error) {
    return error;
  }
}

/** Values of a column of the rows that came. */
export function column({ messages }: Pick<Reader, 'messages'>, name: string): unknown[] {
  return messages.map(({ payload }) => (payload as Record<string, unknown>)[name]); // rows are objects
}

/** Another session of the server, for a transaction of its own. */
export async function session(database: Database): Promise<Client> {
  const client = await database.server.connect();
  onTestFinished(() => client.end());
  return client;
}

/** The column `id` of the rows that came, from the smallest on. */
export function sortedIds(reader: Pick<Reader, 'messages'>): number[] {
  return column(reader, 'id')
    .map(Number)
    .sort((a, b) => a - b);
}

/** The position just after so many messages. */
export function positionAfter({ batches }: Pick<Reader, 'batches'>, count: number): Position | undefined {
  let left = count;
  for (const { messages, positionAt } of batches) {
    if (left <= messages.length) return positionAt?.(left - 1);
    left -= messages.length;
  }
  throw new Error('there are not so many messages');
}
