// Reads changes of a table: a pipeline, and a bare replication client that decodes and drops, in turn, each in a process of its
// own whose memory is watched from outside. They go past the fault proxy, to a server in a container.
//
//   pnpm bench postgres cdc [--json] [--messages 1000000] [--repeat 3]
import { parseArgs } from 'node:util';
import { startPostgres } from '@sluice/testkit';
import { type CdcRun, removeRows, runCdcSubject, writeRows } from './cdc-run.js';
import type { CdcSubject } from './cdc-subject.js';

const subjects: readonly CdcSubject[] = ['pipeline', 'bare client'];

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    messages: { type: 'string', default: '1000000' },
    repeat: { type: 'string', default: '3' },
  },
});
const rows = Number(values.messages);

/** Rows of a transaction, by the name of the case. */
const cases: Readonly<Record<string, number>> = { 'transactions of 1,000': 1000, 'one transaction': rows };

/** The byte budget of a pipeline, and what its runtime may take. */
const allowedMiB = 64 + 32;

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

function medians(runs: readonly CdcRun[]): CdcRun {
  return {
    rowsPerSecond: median(runs.map((run) => run.rowsPerSecond)),
    cpuMicroseconds: median(runs.map((run) => run.cpuMicroseconds)),
    peakMiB: Math.max(...runs.map((run) => run.peakMiB)),
  };
}

async function compare(): Promise<boolean> {
  await using server = await startPostgres({ settings: { shared_buffers: '512MB', max_wal_size: '8GB' } });
  const client = await server.connect();
  const results: Record<string, unknown>[] = [];
  for (const [name, rowsPerTransaction] of Object.entries(cases)) {
    await writeRows(client, rows, rowsPerTransaction);
    const runs: Record<CdcSubject, CdcRun[]> = { pipeline: [], 'bare client': [] };
    for (let round = 0; round <= Number(values.repeat); round++) {
      for (const subject of subjects) {
        const run = await runCdcSubject(server, subject, rows);
        if (round > 0) runs[subject].push(run); // the first round warms the caches
      }
    }
    await removeRows(client);
    results.push(resultOf(name, medians(runs.pipeline), medians(runs['bare client'])));
  }
  await client.end();
  if (values.json) console.log(JSON.stringify({ benchmark: 'postgres cdc', messages: rows, results }, undefined, 2));
  else console.table(Object.fromEntries(results.map(({ task, ...rest }) => [`changes, ${String(task)}`, rest])));
  return results.every(({ met }) => met);
}

function resultOf(task: string, pipeline: CdcRun, bare: CdcRun): Record<string, unknown> {
  const ratio = pipeline.rowsPerSecond / bare.rowsPerSecond;
  const addedMicroseconds = pipeline.cpuMicroseconds - bare.cpuMicroseconds;
  const addedMiB = pipeline.peakMiB - bare.peakMiB;
  return {
    task,
    'bare client rows/s': Math.round(bare.rowsPerSecond),
    'pipeline rows/s': Math.round(pipeline.rowsPerSecond),
    ratio: round(ratio),
    'bare client CPU us/row': round(bare.cpuMicroseconds),
    'pipeline CPU us/row': round(pipeline.cpuMicroseconds),
    'added peak MiB': Math.round(addedMiB),
    met: (ratio >= 0.95 || (bare.cpuMicroseconds < 2 && addedMicroseconds <= 0.1)) && addedMiB <= allowedMiB,
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
