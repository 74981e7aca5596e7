// Reads a file of JSON lines, and writes it to another file or drops it: a loop written by hand and a pipeline, in turn, each
// in a process of its own whose memory is watched from outside.
//
//   pnpm bench file [--json] [--messages 4000000] [--repeat 5]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

type Subject = 'raw' | 'pipeline';
type Task = 'to file' | 'to null';

interface Measured {
  readonly messagesPerSecond: number;
  /** Of the process, all threads, per message. */
  readonly cpuMicroseconds: number;
  readonly peakMiB: number;
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    // So many that what opening costs, once, does not count.
    messages: { type: 'string', default: '4000000' },
    repeat: { type: 'string', default: '5' },
  },
});

async function measure(subject: Subject, task: Task, folder: string): Promise<Measured> {
  for (const name of ['out.ndjson', 'out.ndjson.checkpoint', 'out.ndjson.lock'])
    await rm(join(folder, name), { force: true });
  const script = join(import.meta.dirname, subject === 'raw' ? 'raw-loop.ts' : 'pipeline-run.ts');
  const args = [script, join(folder, 'in.ndjson'), ...(task === 'to file' ? [join(folder, 'out.ndjson')] : [])];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
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
  if (code !== 0) throw new Error(`${subject} ${task} ended with code ${code}`);
  const { messages, ms, cpuMicroseconds } = JSON.parse(output) as {
    messages: number;
    ms: number;
    cpuMicroseconds: number;
  };
  return { messagesPerSecond: (messages / ms) * 1000, cpuMicroseconds, peakMiB };
}

/** 0 where the system does not tell, or the process has ended. */
async function residentMiB(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}

async function writeInput(folder: string, messages: number): Promise<void> {
  const handle = await open(join(folder, 'in.ndjson'), 'w');
  for (let from = 0; from < messages; from += 10_000) {
    const rows = Array.from({ length: Math.min(10_000, messages - from) }, (_, index) => {
      const id = from + index;
      return `${JSON.stringify({ id, name: `customer ${id}`, amount: id * 1.5, note: 'x'.repeat(40) })}\n`;
    });
    await handle.write(rows.join(''));
  }
  await handle.close();
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

function medians(runs: readonly Measured[]): Measured {
  return {
    messagesPerSecond: median(runs.map((run) => run.messagesPerSecond)),
    cpuMicroseconds: median(runs.map((run) => run.cpuMicroseconds)),
    peakMiB: Math.max(...runs.map((run) => run.peakMiB)),
  };
}

/** The byte budget of a pipeline, and what its runtime may take. */
const allowedMiB = 64 + 32;

async function compare(): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  try {
    await writeInput(folder, Number(values.messages));
    const results: Record<string, unknown>[] = [];
    for (const task of ['to null', 'to file'] as const) {
      const runs: Record<Subject, Measured[]> = { raw: [], pipeline: [] };
      for (let round = 0; round <= Number(values.repeat); round++) {
        for (const subject of ['raw', 'pipeline'] as const) {
          const measured = await measure(subject, task, folder);
          if (round > 0) runs[subject].push(measured); // the first round warms the caches
        }
      }
      results.push(resultOf(task, medians(runs.raw), medians(runs.pipeline)));
    }
    if (values.json)
      console.log(JSON.stringify({ benchmark: 'file', messages: Number(values.messages), results }, undefined, 2));
    else console.table(Object.fromEntries(results.map(({ task, ...rest }) => [`file ${String(task)}`, rest])));
    return results.every(({ met }) => met);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function resultOf(task: Task, raw: Measured, ours: Measured): Record<string, unknown> {
  const ratio = ours.messagesPerSecond / raw.messagesPerSecond;
  const addedMicroseconds = ours.cpuMicroseconds - raw.cpuMicroseconds;
  const addedMiB = ours.peakMiB - raw.peakMiB;
  return {
    task,
    'raw messages/s': Math.round(raw.messagesPerSecond),
    'pipeline messages/s': Math.round(ours.messagesPerSecond),
    ratio: round(ratio),
    'raw CPU us/message': round(raw.cpuMicroseconds),
    'pipeline CPU us/message': round(ours.cpuMicroseconds),
    'added CPU us/message': round(addedMicroseconds),
    'added peak MiB': Math.round(addedMiB),
    met: (ratio >= 0.95 || addedMicroseconds <= 0.1) && addedMiB <= allowedMiB,
  };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

if (!(await compare())) {
  console.error(
    'The target is a ratio of 0.95 or at most 0.1 us of CPU added per message, and at most 96 MiB more memory.',
  );
  process.exitCode = 1;
}
