// Writes rows to a table: a pipeline, a loop over pg-copy-streams and one over multi-row INSERT, in turn, each in a process of
// its own whose memory is watched from outside. They go past the fault proxy, to a server in a container.
//
//   pnpm bench postgres [--json] [--messages 1000000] [--repeat 3]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type PostgresServer, startPostgres } from '@sluice/testkit';
import type { SinkSubject, SinkTask } from './sink-subject.js';

const subjects: readonly SinkSubject[] = ['pipeline', 'copy', 'insert'];

const tables: Record<SinkTask, string> = {
  'whole payloads': 'id bigint, data jsonb',
  fields: 'id bigint, name text, amount double precision, note text',
  upsert: 'id bigint PRIMARY KEY, name text, amount double precision, note text',
};

interface Measured {
  readonly rowsPerSecond: number;
  /** Of the process, all threads, per row. */
  readonly cpuMicroseconds: number;
  readonly peakMiB: number;
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    messages: { type: 'string', default: '1000000' },
    repeat: { type: 'string', default: '3' },
  },
});

async function measure(server: PostgresServer, subject: SinkSubject, task: SinkTask): Promise<Measured> {
  const client = await server.connect();
  await client.query(`DROP TABLE IF EXISTS bench, sluice_positions; CREATE TABLE bench (${tables[task]})`);
  await client.query('CHECKPOINT');
  const script = join(import.meta.dirname, 'sink-subject.ts');
  const child = spawn(process.execPath, [script, subject, server.directUrl, task, values.messages], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let peakMiB = 0;
  const timer = setInterval(() => {
    void residentMiB(child.pid).then((mebibytes) => {
      peakMiB = Math.max(peakMiB, mebibytes);
    });
  }, 100);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  clearInterval(timer);
  if (code !== 0) throw new Error(`${subject} of ${task} ended with code ${code}`);
  const { rows } = await client.query<{ count: string }>('SELECT count(*) FROM bench');
  await client.end();
  const expected = task === 'upsert' ? Number(values.messages) / 5 : Number(values.messages);
  if (Number(rows[0]?.count) !== expected) throw new Error(`${subject} of ${task} left ${rows[0]?.count} rows`);
  const { messages, ms, cpuMicroseconds } = JSON.parse(output) as {
    messages: number;
    ms: number;
    cpuMicroseconds: number;
  };
  return { rowsPerSecond: (messages / ms) * 1000, cpuMicroseconds, peakMiB };
}

/** 0 where the system does not tell, or the process has ended. */
async function residentMiB(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

function medians(runs: readonly Measured[]): Measured {
  return {
    rowsPerSecond: median(runs.map((run) => run.rowsPerSecond)),
    cpuMicroseconds: median(runs.map((run) => run.cpuMicroseconds)),
    peakMiB: Math.max(...runs.map((run) => run.peakMiB)),
  };
}

/** The byte budget of a pipeline, and what its runtime may take. */
const allowedMiB = 64 + 32;

async function compare(): Promise<boolean> {
  await using server = await startPostgres({ settings: { shared_buffers: '512MB', max_wal_size: '8GB' } });
  const results: Record<string, unknown>[] = [];
  for (const task of Object.keys(tables) as SinkTask[]) {
    const runs: Record<SinkSubject, Measured[]> = { pipeline: [], copy: [], insert: [] };
    for (let round = 0; round <= Number(values.repeat); round++) {
      for (const subject of subjects) {
        const measured = await measure(server, subject, task);
        if (round > 0) runs[subject].push(measured); // the first round warms the caches
      }
    }
    results.push(
      resultOf(task, { pipeline: medians(runs.pipeline), copy: medians(runs.copy), insert: medians(runs.insert) }),
    );
  }
  if (values.json)
    console.log(JSON.stringify({ benchmark: 'postgres', messages: Number(values.messages), results }, undefined, 2));
  else console.table(Object.fromEntries(results.map(({ task, ...rest }) => [`sink, ${String(task)}`, rest])));
  return results.every(({ met }) => met);
}

function resultOf(task: SinkTask, { pipeline, copy, insert }: Record<SinkSubject, Measured>): Record<string, unknown> {
  const ratio = pipeline.rowsPerSecond / copy.rowsPerSecond;
  const addedMicroseconds = pipeline.cpuMicroseconds - copy.cpuMicroseconds;
  const addedMiB = pipeline.peakMiB - copy.peakMiB;
  return {
    task,
    'INSERT rows/s': Math.round(insert.rowsPerSecond),
    'COPY rows/s': Math.round(copy.rowsPerSecond),
    'pipeline rows/s': Math.round(pipeline.rowsPerSecond),
    'ratio to COPY': round(ratio),
    'ratio to INSERT': round(pipeline.rowsPerSecond / insert.rowsPerSecond),
    'COPY CPU us/row': round(copy.cpuMicroseconds),
    'pipeline CPU us/row': round(pipeline.cpuMicroseconds),
    'added peak MiB': Math.round(addedMiB),
    met: (ratio >= 0.95 || addedMicroseconds <= 0.1) && addedMiB <= allowedMiB,
  };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

if (!(await compare())) {
  console.error(
    'The target is a ratio of 0.95 or at most 0.1 us of CPU added per row, and at most 96 MiB more memory.',
  );
  process.exitCode = 1;
}
