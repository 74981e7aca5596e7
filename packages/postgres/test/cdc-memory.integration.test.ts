import { startPostgres } from '@sluice/testkit';
import { expect, test } from 'vitest';
import { runCdcSubject, writeRows } from '../bench/cdc-run.js';

const rows = 1_000_000;
/** The byte budget of a pipeline, and what its runtime may take. */
const allowedMiB = 64 + 32;

test('one transaction of 1,000,000 rows takes no more memory than a bare client, the byte budget and 32 MiB', async () => {
  await using server = await startPostgres();
  const client = await server.connect();
  await writeRows(client, rows, rows);
  await client.end();
  const bare = await runCdcSubject(server, 'bare client', rows);
  // The least of a few runs: what is kept shows in each, and how much garbage a busy machine lets lie about does not.
  let addedMiB = Number.POSITIVE_INFINITY;
  for (let run = 1; run <= 3 && addedMiB > allowedMiB; run++) {
    const { peakMiB } = await runCdcSubject(server, 'pipeline', rows);
    // A process that was not seen would be one that takes no memory.
    expect(Math.min(peakMiB, bare.peakMiB)).toBeGreaterThan(30);
    addedMiB = Math.min(addedMiB, peakMiB - bare.peakMiB);
  }
  expect(addedMiB).toBeLessThanOrEqual(allowedMiB);
}, 240_000);
