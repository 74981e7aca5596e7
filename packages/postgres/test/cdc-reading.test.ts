import type { SourceBatch } from '@sluice/core/driver';
import { expect, test } from 'vitest';
import { CdcReading } from '../src/changes/cdc-reading.js';
import { decodePgoutput } from '../src/changes/pgoutput.js';
import type { Received, ReplicationStream } from '../src/changes/replication.js';
import { int16, int32, int64, join } from './pgoutput-bytes.js';

test('ends with the reason at a change that cannot be read, and gives no position behind it', async () => {
  const { signal } = new AbortController();
  const messages = [
    join('B', int64(100n), int64(0n), int32(7)),
    join('I', int32(1), 'N', int16(2)),
    join('C', [0], int64(100n), int64(110n), int64(0n)),
  ];
  const take = (): Received | undefined => {
    const next = messages.shift();
    return next && decodePgoutput(next);
  };
  const stream = { take } as unknown as ReplicationStream; // all that is used of it
  const reading = new CdcReading(
    stream,
    { lsn: 50n, rows: 0, isNew: false },
    { maxMessages: 100, maxBytes: 1000 },
    {
      shapeOf: () => Promise.reject(new Error('there is no table')),
      serverLsn: () => 0n,
      moveIntervalMs: 0,
      filter: undefined,
    },
  );
  const batches: SourceBatch[] = [];
  const reads = async (): Promise<void> => {
    for await (const batch of reading.batches(signal)) batches.push(batch);
  };
  await expect(reads()).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringContaining('out of range'),
    cause: expect.any(RangeError),
  });
  expect(batches).toEqual([]);
});
