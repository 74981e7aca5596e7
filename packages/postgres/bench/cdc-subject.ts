// node cdc-subject.ts <subject> <url> <slot> <count>: reads so many changes of the publication "bench" and drops them, in one of
// two ways that confirm every second: a pipeline, and the bare client that one would write by hand over pg, which decodes what
// the table of the benchmark has into the same key, payload, timestamp and headers. A third one, a pipeline whose sink is slower
// than the server, is there for its memory.
import { setTimeout } from 'node:timers/promises';
import { memoryCheckpoints, pipeline } from '@sluice/core';
import type { SinkBatch } from '@sluice/core/driver';
import { inlineSink } from '@sluice/core/testing';
import { postgres } from '@sluice/postgres';
import { reportCost } from '@sluice/testkit/bench';
import pg from 'pg';

export type CdcSubject = 'pipeline' | 'slow pipeline' | 'bare client';

const [subject = '', url = '', slot = '', count = '0'] = process.argv.slice(2);
const total = Number(count);
const publication = 'bench';

let seen = 0;
let looked = 0;
/** What user code does with a message: it looks at all of it. */
function see(key: unknown, payload: unknown, timestamp: unknown, headers: unknown): void {
  if (key !== null && payload !== null && timestamp !== undefined && headers !== undefined) looked++;
  seen++;
}

const done = new AbortController();

const capabilities = {
  payload: 'value',
  changes: true,
  preferred: { maxMessages: 5000, maxBytes: 4 * 1024 * 1024, maxInFlight: 1 },
} as const;

/** Each write takes so long. */
async function readByPipeline(writeMs: number): Promise<void> {
  const write = async ({ messages }: SinkBatch): Promise<void> => {
    if (writeMs > 0) await setTimeout(writeMs);
    for (const { key, payload, timestamp, headers } of messages) see(key, payload, timestamp, headers);
    if (seen >= total) done.abort();
  };

  await pipeline({
    name: 'bench',
    source: postgres.source({ url, mode: 'cdc', snapshot: 'never', slot, publication }),
    sink: inlineSink('dropping', { write }, capabilities),
    checkpoints: memoryCheckpoints(),
  }).run({ signal: done.signal });
}

const epochMs = 946_684_800_000;
/** About what a batch of the pipeline has, in a transaction that is larger. */
const batchRows = 1300;

type Header = readonly [name: string, value: unknown];

interface Row {
  readonly id: number | bigint | null;
  readonly name: string | null;
  readonly amount: number | null;
  readonly note: string | null;
}

async function readByHand(): Promise<void> {
  // pg knows `replication`; its types do not.
  const client = new pg.Client({ connectionString: url, replication: 'database' } as pg.ClientConfig);
  await client.connect();
  const { stream } = client.connection;
  let [received, ended] = [0n, 0n];
  const confirm = (): void => {
    const bytes = Buffer.alloc(39);
    bytes.write('d', 0, 'latin1');
    bytes.writeInt32BE(38, 1);
    bytes.write('r', 5, 'latin1');
    bytes.writeBigUInt64BE(received, 6);
    bytes.writeBigUInt64BE(ended, 14);
    bytes.writeBigUInt64BE(ended, 22);
    stream.write(bytes);
  };
  const timer = setInterval(confirm, 1000);
  const finished = Promise.withResolvers<void>();
  let transaction: { readonly timestamp: number; readonly headers: readonly Header[] } = { timestamp: 0, headers: [] };
  let rows: Row[] = [];
  const handOver = (count: number, isEnd: boolean): void => {
    const { timestamp, headers } = transaction;
    const batch = rows.slice(0, count).map((row) => ({ key: { id: row.id }, payload: row, timestamp, headers }));
    const last = batch.at(-1);
    if (isEnd && last !== undefined) last.headers = [...headers, ['transactionEnd', true]];
    rows = rows.slice(count);
    for (const message of batch) see(message.key, message.payload, message.timestamp, message.headers);
  };
  client.connection.on('copyData', ({ chunk }: { readonly chunk: Buffer }) => {
    if (chunk[0] === 0x6b) return confirm();
    if (chunk[0] !== 0x77) return;
    received = chunk.readBigUInt64BE(1);
    const kind = chunk[25];
    if (kind === 0x42) transaction = transactionAt(chunk);
    else if (kind === 0x49) {
      rows.push(rowAt(chunk, 31));
      if (rows.length > batchRows) handOver(batchRows, false);
    } else if (kind === 0x43) {
      handOver(rows.length, true);
      ended = chunk.readBigUInt64BE(35);
      if (seen >= total) finished.resolve();
    }
  });
  const sql = `START_REPLICATION SLOT ${slot} LOGICAL 0/0 (proto_version '1', publication_names '${publication}')`;
  client.query(sql).catch(finished.reject);
  await finished.promise;
  confirm();
  clearInterval(timer);
  stream.end();
}

function transactionAt(chunk: Buffer): { readonly timestamp: number; readonly headers: readonly Header[] } {
  const lsn = `${chunk.readUInt32BE(26).toString(16)}/${chunk.readUInt32BE(30).toString(16)}`.toUpperCase();
  const micros = chunk.readBigInt64BE(34);
  const timestamp = epochMs + Number(micros / 1000n);
  const commitTime = new Date(timestamp).toISOString().replace('Z', `${String(micros % 1000n).padStart(3, '0')}Z`);
  const id = chunk.readUInt32BE(42);
  const headers = [
    ['transactionId', id],
    ['lsn', lsn],
    ['commitTime', commitTime],
  ] as const;
  return { timestamp, headers };
}

/** A row of the table "bench", which has no values that are stored away. */
function rowAt(chunk: Buffer, columnsAt: number): Row {
  let at = columnsAt + 2; // the number of columns
  const next = (): string | null => {
    if (chunk[at] === 0x6e) {
      at++;
      return null;
    }
    const from = at + 5; // letter and length
    at = from + chunk.readInt32BE(at + 1);
    return chunk.toString('utf8', from, at);
  };
  return { id: toInteger(next()), name: next(), amount: toNumber(next()), note: next() };
}

function toNumber(text: string | null): number | null {
  return text === null ? null : Number(text);
}

function toInteger(text: string | null): number | bigint | null {
  const number = toNumber(text);
  return text === null || number === null || Number.isSafeInteger(number) ? number : BigInt(text);
}

const subjects: Record<CdcSubject, () => Promise<void>> = {
  pipeline: () => readByPipeline(0),
  'slow pipeline': () => readByPipeline(20),
  'bare client': readByHand,
};
await reportCost(async () => {
  await subjects[subject as CdcSubject](); // Only cdc.bench.ts and a test start this.
  if (seen < total || looked < total) throw new Error(`read ${seen} of ${total} changes`);
  return seen;
});
process.exit(0); // the server may take its time to let the bare client go
