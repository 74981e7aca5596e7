import type { Client } from 'pg';
import { expect, test } from 'vitest';
import { statusInterval } from '../src/changes/replication-client.js';

/** What is asked for and what is set on a server with this `wal_sender_timeout`, in ms. */
async function agreed(timeoutMs: number, wantedMs: number): Promise<readonly unknown[]> {
  const set: string[] = [];
  const query = async (sql: string): Promise<unknown> => {
    if (sql.startsWith('set ')) set.push(sql);
    return { rows: [{ ms: timeoutMs }] };
  };
  return [await statusInterval({ query } as unknown as Client, wantedMs), ...set]; // all of it that is used
}

test('tells the server often enough for its timeout, and in turn hears of it while it decodes what is not published', async () => {
  expect(await agreed(60_000, 10_000)).toEqual([10_000, 'set wal_sender_timeout = 40000']);
  expect(await agreed(600_000, 3000)).toEqual([3000, 'set wal_sender_timeout = 12000']);
  expect(await agreed(0, 10_000)).toEqual([10_000, 'set wal_sender_timeout = 40000']);
  expect(await agreed(2000, 10_000)).toEqual([500]);
  expect(await agreed(40_000, 10_000)).toEqual([10_000]);
});

test('leaves a server that is told more often some seconds, so that it does not take a busy client for dead', async () => {
  expect(await agreed(60_000, 100)).toEqual([100, 'set wal_sender_timeout = 5000']);
});
