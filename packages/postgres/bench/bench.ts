// Writes rows to a table: a pipeline, a loop over pg-copy-streams and one over multi-row INSERT, in turn, each in a process of
// its own whose memory is watched from outside. They go past the fault proxy, to a server in a container.
//
//   pnpm bench postgres [--json] [--messages 1000000] [--repeat 3]
import { join } from 'node:path';
import { startPostgres } from '@sluice/testkit';
import { type BenchCase, benchOptions, type Measured, measureProcess, runBenchmark } from '@sluice/testkit/bench';
import type { Client } from 'pg';
import type { SinkSubject, SinkTask } from './sink-subject.js';

const options = benchOptions({ messages: 1_000_000, repeat: 3 });

const tables: Record<SinkTask, string> = {
  'whole payloads': 'id bigint, data jsonb',
  fields: 'id bigint, name text, amount double precision, note text',
  upsert: 'id bigint PRIMARY KEY, name text, amount double precision, note text',
};

async function* cases(): AsyncGenerator<BenchCase<'COPY' | 'INSERT'>> {
  await using server = await startPostgres({ settings: { shared_buffers: '512MB', max_wal_size: '8GB' } });
  const client = await server.connect();
  for (const task of Object.keys(tables) as SinkTask[]) // the tasks are its keys
    yield {
      name: `sink, ${task}`,
      measure: (subject) => measure(client, server.directUrl, { subject, task }),
    };
  await client.end();
}

async function measure(
  client: Client,
  url: string,
  { subject, task }: { subject: SinkSubject; task: SinkTask },
): Promise<Measured> {
  await client.query(`DROP TABLE IF EXISTS bench, sluice_positions; CREATE TABLE bench (${tables[task]})`);
  await client.query('CHECKPOINT');
  const script = join(import.meta.dirname, 'sink-subject.ts');
  const measured = await measureProcess(script, [subject, url, task, String(options.messages)]);
  const { rows } = await client.query<{ count: string }>('SELECT count(*) FROM bench');
  const expected = task === 'upsert' ? options.messages / 5 : options.messages;
  if (Number(rows[0]?.count) !== expected) throw new Error(`it left ${rows[0]?.count} rows`);
  return measured;
}

await runBenchmark({ name: 'postgres', byHand: ['COPY', 'INSERT'], unit: 'row', cases: cases() }, options);
