import { join } from 'node:path';
import { type PostgresServer, startPostgres } from '@sluice/testkit';
import { allowedMiB, type Measured, measureProcess } from '@sluice/testkit/bench';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCdcSubject, writeRows } from '../bench/cdc-run.js';

const rows = 1_000_000;
/**
 * With a small heap V8 collects early, so that what is seen is memory in use and not garbage, of which a busy machine lets any
 * amount lie about. Who needs more than this at once ends with an error.
 */
const smallHeap = ['--max-old-space-size=64', '--max-semi-space-size=8'];

let server: PostgresServer;
beforeAll(async () => {
  // A transaction that the server writes to its disk first comes in no other way, and later.
  server = await startPostgres({ settings: { logical_decoding_work_mem: '1GB' } });
  const client = await server.connect();
  await writeRows(client, rows, rows);
  await client.end();
});
afterAll(() => server?.stop());

/** No more than a bare client, the byte budget and 32 MiB. */
function expectBounded(pipeline: Measured, bare: Measured): void {
  // A process that was not seen would be one that takes no memory.
  expect(Math.min(pipeline.peakMiB, bare.peakMiB)).toBeGreaterThan(30);
  expect([pipeline.messages, bare.messages]).toEqual([rows, rows]);
  expect(pipeline.peakMiB - bare.peakMiB).toBeLessThanOrEqual(allowedMiB);
}

test('one transaction of 1,000,000 rows takes no more memory than a bare client, the byte budget and 32 MiB, also with a slow sink', async () => {
  const bare = await runCdcSubject(server, 'bare client', rows, smallHeap);
  expectBounded(await runCdcSubject(server, 'pipeline', rows, smallHeap), bare);
  expectBounded(await runCdcSubject(server, 'slow pipeline', rows, smallHeap), bare);
}, 240_000);

test('rows are not taken for long-lived ones, however soon garbage is collected', async () => {
  // V8 decides for objects to be made in the old generation only when the young one has its largest size: here from the start.
  const largest = ['--min-semi-space-size=16', '--max-semi-space-size=16'];
  const pipeline = await runCdcSubject(server, 'pipeline', rows, largest);
  expectBounded(pipeline, await runCdcSubject(server, 'bare client', rows));
}, 240_000);

test('the same is true of a table of 1,000,000 rows that is read in chunks', async () => {
  const script = join(import.meta.dirname, '../bench/snapshot-subject.ts');
  const run = (subject: string): Promise<Measured> => measureProcess(script, [subject, server.directUrl], smallHeap);
  const bare = await run('COPY');
  expectBounded(await run('pipeline'), bare);
}, 240_000);
