// Reads the rows of a table: a pipeline, and a hand-written loop over COPY TO, in turn, each in a process of its own whose memory is
// watched from outside. They go past the fault proxy, to a server in a container.
//
//   pnpm bench postgres snapshot [--json] [--messages 1000000] [--repeat 3]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type PostgresServer, startPostgres } from '@sluice/testkit';
import type { SnapshotSubject } from './snapshot-subject.js';

const subjects: readonly SnapshotSubject[] = ['pipeline', 'COPY'];

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

async function measure(server: PostgresServer, subject: SnapshotSubject): Promise<Measured> {
  const script = join(import.meta.dirname, 'snapshot-subject.ts');
  const child = spawn(process.execPath, ['--no-warnings', script, subject, server.directUrl], {
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
  if (code !== 0) throw new Error(`${subject} ended with code ${code}`);
  const { messages, ms, cpuMicroseconds } = JSON.parse(output) as {
    messages: number;
    ms: number;
    cpuMicroseconds: number;
  };
  if (messages !== Number(values.messages)) throw new Error(`${subject} read ${messages} rows`);
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
  const client = await server.connect();
  await client.query('CREATE TABLE bench (id bigint PRIMARY KEY, name text, amount double precision, note text)');
  await client.query(
    `INSERT INTO bench SELECT id, 'customer ' || id, id * 1.5, repeat('x', 40) FROM generate_series(1, $1::int8) AS id`,
    [values.messages],
  );
  await client.query('VACUUM ANALYZE bench');
  await client.end();
  const runs: Record<SnapshotSubject, Measured[]> = { pipeline: [], COPY: [] };
  for (let round = 0; round <= Number(values.repeat); round++) {
    for (const subject of subjects) {
      const measured = await measure(server, subject);
      if (round > 0) runs[subject].push(measured); // the first round warms the caches
    }
  }
  const result = resultOf(medians(runs.pipeline), medians(runs.COPY));
  if (values.json) {
    const messages = Number(values.messages);
    console.log(JSON.stringify({ benchmark: 'postgres snapshot', messages, results: [result] }, undefined, 2));
  } else console.table({ snapshot: result });
  return result['met'] === true;
}

function resultOf(pipeline: Measured, copy: Measured): Record<string, unknown> {
  const ratio = pipeline.rowsPerSecond / copy.rowsPerSecond;
  const addedMicroseconds = pipeline.cpuMicroseconds - copy.cpuMicroseconds;
  const addedMiB = pipeline.peakMiB - copy.peakMiB;
  return {
    'COPY rows/s': Math.round(copy.rowsPerSecond),
    'pipeline rows/s': Math.round(pipeline.rowsPerSecond),
    ratio: round(ratio),
    'COPY CPU us/row': round(copy.cpuMicroseconds),
    'pipeline CPU us/row': round(pipeline.cpuMicroseconds),
    'added peak MiB': Math.round(addedMiB),
    met: (ratio >= 0.95 || (copy.cpuMicroseconds < 2 && addedMicroseconds <= 0.1)) && addedMiB <= allowedMiB,
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
