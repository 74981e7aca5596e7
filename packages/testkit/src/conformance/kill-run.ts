import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Carries } from './harness.js';
import { type StepRecord, stepTrack } from './step-report.js';

/** Where a run is to be killed. */
export interface KillAim {
  /** As the step report names it: `in flush`, `between write and flush`. */
  readonly gap: string;
  /** Which of the times that the run goes through it, from 1. */
  readonly occurrence: number;
  /** How long after the beginning of the step, in milliseconds. */
  readonly afterMs: number;
  /** `itself`: to the microsecond, between two turns of the event loop. `parent`: anywhere, also inside native code. */
  readonly by: 'itself' | 'parent';
}

/** What a child is to run. */
export interface KillOrder {
  readonly module: { readonly url: string; readonly name: string };
  readonly config: unknown;
  readonly options: object;
  readonly pipeline: string;
  readonly carries: Carries;
  readonly partitions: readonly string[];
  /** Messages of a batch of the source, of a write, and between flushes. */
  readonly batchMessages: number;
  readonly writeMessages: number;
  readonly flushMessages: number;
  /** How many messages of each partition it adds. */
  readonly more: number;
  /** Folder of the checkpoints, when the sink does not keep them. */
  readonly checkpoints?: string;
  readonly aim?: KillAim;
}

/** What became of a child. */
export interface KillRun {
  readonly records: readonly StepRecord[];
  /** Where it was killed; undefined when it came to its end. */
  readonly killedIn: string | undefined;
}

/** Beside this file, built or not. */
const program = fileURLToPath(new URL(`./kill-child${extname(import.meta.url)}`, import.meta.url));

/**
 * Runs a child until it dies or ends.
 *
 * @throws {Error} when it fails
 */
export async function runChild(order: KillOrder): Promise<KillRun> {
  const child = spawn(process.execPath, [program, JSON.stringify(order)], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    // A child that is killed again and again starts twice as fast when Node keeps what it compiled.
    env: { NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'), ...process.env },
  });
  const closed = once(child, 'close');
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const report = child.stdio[3];
  if (report === null || report === undefined || !('read' in report)) throw new Error('the child has no report');
  const records: StepRecord[] = [];
  const track = stepTrack();
  createInterface({ input: report }).on('line', (line) => {
    // A line that the child's death has cut short tells nothing. Kill-child.ts writes nothing else.
    if (!line.endsWith('}')) return;
    const record = JSON.parse(line) as StepRecord;
    records.push(record);
    track.follow(record);
    if (record.type !== 'begin' || !record.aimed) return;
    const kill = (): void => void child.kill('SIGKILL');
    const afterMs = order.aim?.afterMs ?? 0;
    if (afterMs < 1) kill();
    else setTimeout(kill, afterMs);
  });
  await closed;
  const end = records.at(-1);
  if (child.signalCode === 'SIGKILL') return { records, killedIn: end?.type === 'kill' ? end.gap : track.now() };
  if (end?.type === 'done') return { records, killedIn: undefined };
  const why = end?.type === 'failed' ? `${end.code}: ${end.message}` : errors.trim();
  throw new Error(`the pipeline that is killed ended by itself, ${why}`);
}
