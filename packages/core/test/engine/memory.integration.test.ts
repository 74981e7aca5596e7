import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { PipelineStats } from '../../src/index.js';

const mebibyte = 1024 * 1024;
const budget = 8 * mebibyte;
/** What the engine, its code and garbage that is not collected yet may need beside the budget. */
const margin = 32 * mebibyte;
const watchedMs = 3000;

let child: ChildProcess | undefined;

afterEach(stop);

function stop(): void {
  child?.kill('SIGKILL');
}

/** Floods a sink that needs so long for a write, in a process of its own. */
async function flood(
  subject: 'loop' | 'pipeline',
  writeMs: number | 'never',
): Promise<{ readonly grownBytes: number; readonly stats: PipelineStats }> {
  const program = fileURLToPath(new URL('./memory-program.ts', import.meta.url));
  child = fork(program, [subject, writeMs, budget].map(String), { execArgv: [] });
  await once(child, 'message');
  const before = residentBytes(child);
  child.send('go');
  let peak = before;
  for (let watched = 0; watched < watchedMs; watched += 100) {
    await sleep(100);
    peak = Math.max(peak, residentBytes(child));
  }
  child.send('stats');
  const [stats] = (await once(child, 'message')) as [PipelineStats]; // the answer to everything but `go`
  stop();
  return { grownBytes: peak - before, stats };
}

/** What a process holds in memory, seen from outside. */
function residentBytes({ pid }: ChildProcess): number {
  if (process.platform !== 'linux') return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)])) * 1024;
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

describe('the memory of a pipeline whose source is always ready', () => {
  it('stays within its budget when the sink is stopped', async () => {
    const { grownBytes, stats } = await flood('pipeline', 'never');
    expect(stats.inFlightBytes, 'the budget is used').toBeGreaterThanOrEqual(budget);
    expect(stats.written).toBe(0);
    expect(grownBytes).toBeLessThanOrEqual(budget + margin);
  });

  it('stays within its budget beside that of a loop written by hand, while the sink is slow', async () => {
    const loop = await flood('loop', 20);
    const { grownBytes, stats } = await flood('pipeline', 20);
    expect(stats.written, 'the budget was used more than once').toBeGreaterThan((3 * budget) / 1024);
    expect(grownBytes).toBeLessThanOrEqual(loop.grownBytes + budget + margin);
  });
});
