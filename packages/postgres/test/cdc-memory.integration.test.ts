import { startPostgres } from '@sluice/testkit';
import { allowedMiB } from '@sluice/testkit/bench';
import { expect, test } from 'vitest';
import { runCdcSubject, writeRows } from '../bench/cdc-run.js';

const rows = 1_000_000;
/**
 * With a small heap V8 collects early, so that what is seen is memory in use and not garbage, of which a busy machine lets any
 * amount lie about. Who needs more than this at once ends with an error.
 */
const smallHeap = ['--max-old-space-size=64', '--max-semi-space-size=8'];

test('one transaction of 1,000,000 rows takes no more memory than a bare client, the byte budget and 32 MiB', async () => {
  await using server = await startPostgres();
  const client = await server.connect();
  await writeRows(client, rows, rows);
  await client.end();
  const bare = await runCdcSubject(server, 'bare client', rows, smallHeap);
  const pipeline = await runCdcSubject(server, 'pipeline', rows, smallHeap);
  // A process that was not seen would be one that takes no memory.
  expect(Math.min(pipeline.peakMiB, bare.peakMiB)).toBeGreaterThan(30);
  expect(pipeline.peakMiB - bare.peakMiB).toBeLessThanOrEqual(allowedMiB);
}, 240_000);
