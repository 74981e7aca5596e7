// node sink-subject.ts <subject> <url> <task> <count>: writes rows to the table "bench", in one of three ways that commit every
// second: a pipeline, the loop that one would write by hand over pg-copy-streams with the same guarantee (rows and position in
// one transaction), and INSERT of 500 rows at a time, prepared, as most programs write.
import { once } from 'node:events';
import { pipeline } from '@sluice/core';
import { createMessage, type Message } from '@sluice/core/driver';
import { inlineSource } from '@sluice/core/testing';
import { type PostgresSinkConfig, postgres } from '@sluice/postgres';
import { reportCost } from '@sluice/testkit/bench';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

export type SinkTask = 'whole payloads' | 'fields' | 'upsert';
export type SinkSubject = 'pipeline' | 'COPY' | 'INSERT';

/** What the engine asks a source for. */
const batchSize = 5000;
/** Both the pipeline and the loops commit this often. */
const flushIntervalMs = 1000;

interface OrderRow {
  readonly id: number;
  readonly name: string;
  readonly amount: number;
  readonly note: string;
}

const note = 'x'.repeat(40);

/** Batches of messages. Upserts come to each row five times. */
function* batches(task: SinkTask, count: number): Generator<readonly Message[]> {
  for (let from = 0; from < count; from += batchSize) {
    const messages: Message[] = [];
    for (let at = from; at < Math.min(from + batchSize, count); at++) {
      const id = task === 'upsert' ? at % (count / 5) : at;
      const row = { id, name: `customer ${id}`, amount: at * 1.5, note };
      const payload = task === 'whole payloads' ? Buffer.from(JSON.stringify(row)) : row;
      messages.push(createMessage({ key: id, payload, timestamp: 1_700_000_000_000 }));
    }
    yield messages;
  }
}

const [subject = '', url = '', task = '', count = '0'] = process.argv.slice(2);
const sinkTask = task as SinkTask; // Only bench.ts starts this.

const rows = inlineSource(
  'rows',
  {
    async *read() {
      let position = 0;
      for (const messages of batches(sinkTask, Number(count))) {
        position += messages.length;
        yield { messages, position, bytes: messages.length * 100 };
      }
    },
  },
  { keyed: true },
);

const configs: Record<SinkTask, PostgresSinkConfig> = {
  'whole payloads': { url, table: 'bench', columns: { id: 'key', data: 'payload' } },
  fields: { url, table: 'bench' },
  upsert: { url, table: 'bench', mode: 'upsert', key: ['id'] },
};

async function writeByPipeline(): Promise<number> {
  const { written } = await pipeline({
    name: 'bench',
    source: rows,
    sink: postgres.sink(configs[sinkTask]),
  }).run();
  return written;
}

const columnNames = sinkTask === 'whole payloads' ? ['id', 'data'] : ['id', 'name', 'amount', 'note'];
const columns = columnNames.join(', ');
const special = /[\\\n\r\t]/;

function escaped(text: string): string {
  if (!special.test(text)) return text;
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t');
}

function lineOf({ key, payload }: Message): string {
  if (payload instanceof Uint8Array) return `${Number(key)}\t${escaped(payload.toString())}\n`;
  const { id, name, amount, note } = payload as unknown as OrderRow; // As batches() makes it.
  return `${id}\t${escaped(name)}\t${amount}\t${escaped(note)}\n`;
}

async function copy(client: pg.Client, table: string, messages: readonly Message[]): Promise<void> {
  const stream = client.query(copyFrom(`COPY ${table} (${columns}) FROM STDIN`));
  const finished = once(stream, 'finish');
  let chunk = '';
  for (const message of messages) {
    chunk += lineOf(message);
    if (chunk.length < 65_536) continue;
    stream.write(chunk);
    chunk = '';
  }
  stream.end(chunk);
  await finished;
}

async function writeByCopy(): Promise<number> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query('CREATE TEMP TABLE staging AS SELECT * FROM bench WITH NO DATA');
  await client.query('CREATE TABLE IF NOT EXISTS bench_position (id int PRIMARY KEY, position bigint)');
  await client.query('BEGIN');
  let committedAt = performance.now();
  let written = 0;
  const commit = async (): Promise<void> => {
    await client.query('INSERT INTO bench_position VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET position = $1', [
      written,
    ]);
    await client.query('COMMIT');
    committedAt = performance.now();
  };
  for (const messages of batches(sinkTask, Number(count))) {
    if (sinkTask === 'upsert') {
      const latest = new Map(messages.map((message) => [message.key, message]));
      await copy(client, 'staging', [...latest.values()]);
      await client.query(`INSERT INTO bench (${columns}) SELECT ${columns} FROM staging ON CONFLICT (id)
        DO UPDATE SET name = EXCLUDED.name, amount = EXCLUDED.amount, note = EXCLUDED.note; TRUNCATE staging`);
    } else await copy(client, 'bench', messages);
    written += messages.length;
    if (performance.now() - committedAt < flushIntervalMs) continue;
    await commit();
    await client.query('BEGIN');
  }
  await commit();
  await client.end();
  return written;
}

const rowsPerInsert = 500;

function valuesOf({ key, payload }: Message): unknown[] {
  if (payload instanceof Uint8Array) return [key, payload.toString()];
  const { id, name, amount, note } = payload as unknown as OrderRow; // As batches() makes it.
  return [id, name, amount, note];
}

function insertOf(rows: number): string {
  const groups = Array.from({ length: rows }, (_, row) => {
    const places = columnNames.map((_column, column) => `$${row * columnNames.length + column + 1}`);
    return `(${places.join(',')})`;
  });
  const change = columnNames.slice(1).map((column) => `${column} = EXCLUDED.${column}`);
  const onConflict = sinkTask === 'upsert' ? ` ON CONFLICT (id) DO UPDATE SET ${change.join(', ')}` : '';
  return `INSERT INTO bench (${columns}) VALUES ${groups.join(',')}${onConflict}`;
}

async function writeByInsert(): Promise<number> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query('BEGIN');
  let committedAt = performance.now();
  let written = 0;
  for (const messages of batches(sinkTask, Number(count))) {
    for (let from = 0; from < messages.length; from += rowsPerInsert) {
      const part = messages.slice(from, from + rowsPerInsert);
      await client.query({
        name: `insert ${part.length}`,
        text: insertOf(part.length),
        values: part.flatMap(valuesOf),
      });
    }
    written += messages.length;
    if (performance.now() - committedAt < flushIntervalMs) continue;
    await client.query('COMMIT; BEGIN');
    committedAt = performance.now();
  }
  await client.query('COMMIT');
  await client.end();
  return written;
}

const subjects: Record<SinkSubject, () => Promise<number>> = {
  pipeline: writeByPipeline,
  COPY: writeByCopy,
  INSERT: writeByInsert,
};
await reportCost(subjects[subject as SinkSubject]); // As above.
