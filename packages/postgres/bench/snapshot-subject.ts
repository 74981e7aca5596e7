// node snapshot-subject.ts <subject> <url>: reads the table "bench" and drops its rows, in one of two ways that give each row as an
// object with its key: a pipeline, and a loop over COPY TO in the order of the key, which is faster than one over pg-cursor.
import { memoryCheckpoints, pipeline } from '@sluice/core';
import { inlineSink } from '@sluice/core/testing';
import { postgres } from '@sluice/postgres';
import { reportCost } from '@sluice/testkit/bench';
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';

export type SnapshotSubject = 'pipeline' | 'COPY';

const [subject = '', url = ''] = process.argv.slice(2);

const nowhere = inlineSink(
  'nowhere',
  { write: () => Promise.resolve() },
  { payload: 'value', changes: true, preferred: { maxMessages: 10_000, maxBytes: 4 * 1024 * 1024, maxInFlight: 1 } },
);

async function readByPipeline(): Promise<number> {
  const { written } = await pipeline({
    name: 'bench',
    source: postgres.source({ url, mode: 'cdc', snapshot: 'only', tables: ['bench'] }),
    sink: nowhere,
    checkpoints: memoryCheckpoints(),
  }).run();
  return written;
}

interface Row {
  readonly key: unknown;
  readonly payload: unknown;
  readonly timestamp: number;
  readonly headers: readonly unknown[];
}

function unescaped(text: string | undefined): string | null {
  if (text === undefined || text === '\\N') return null;
  // The data of the benchmark escapes nothing that JSON does not.
  return text.includes('\\') ? String(JSON.parse(`"${text.replaceAll('"', '\\"')}"`)) : text;
}

function toInteger(text: string | undefined): number | bigint | null {
  if (text === undefined || text === '\\N') return null;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}

function toNumber(text: string | undefined): number | null {
  return text === undefined || text === '\\N' ? null : Number(text);
}

async function readByCopy(): Promise<number> {
  const client = new pg.Client(url);
  await client.connect();
  const state = 'SELECT pg_current_wal_insert_lsn()::text AS lsn';
  const { lsn } = (await client.query<{ lsn: string }>(state)).rows[0] ?? { lsn: '' };
  const now = new Date();
  const timestamp = now.getTime();
  const headers: readonly unknown[] = [
    ['lsn', lsn],
    ['commitTime', now.toISOString()],
  ];
  const stream = client.query(copyTo('COPY (SELECT id, name, amount, note FROM bench ORDER BY id) TO STDOUT'));
  let count = 0;
  let rest = '';
  let rows: Row[] = [];
  for await (const chunk of stream) {
    const lines = (rest + (chunk as Buffer).toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [id, name, amount, note] = line.split('\t');
      const payload = { id: toInteger(id), name: unescaped(name), amount: toNumber(amount), note: unescaped(note) };
      rows.push({ key: { id: payload.id }, payload, timestamp, headers });
    }
    if (rows.length < 10_000) continue;
    count += rows.length;
    rows = [];
  }
  await client.end();
  return count + rows.length;
}

await reportCost(subject === 'pipeline' ? readByPipeline : readByCopy);
