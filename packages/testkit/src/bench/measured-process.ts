import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Cost } from './cost.js';

/** What one run of one program took. */
export interface Measured {
  readonly messages: number;
  readonly messagesPerSecond: number;
  /** Of the process, all threads, per message. */
  readonly cpuMicroseconds: number;
  /** Largest resident memory that was seen from outside; 0 where the system does not tell. */
  readonly peakMiB: number;
}

const sampleIntervalMs = 100;

/**
 * Runs a program in a process of its own, and looks at its memory from outside every 100 ms.
 *
 * @param script calls {@link reportCost} and prints nothing else
 * @param nodeOptions for example limits of the heap
 * @throws Error when it ends with another code than 0. It has said why on stderr.
 */
export async function measureProcess(
  script: string,
  args: readonly string[],
  nodeOptions: readonly string[] = [],
): Promise<Measured> {
  const child = spawn(process.execPath, ['--no-warnings', ...nodeOptions, script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let peakMiB = 0;
  const timer = setInterval(() => {
    void residentMiB(child.pid).then((mebibytes) => {
      peakMiB = Math.max(peakMiB, mebibytes);
    });
  }, sampleIntervalMs);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]; // as Node.js documents it
  clearInterval(timer);
  if (code !== 0) throw new Error(`${basename(script)} ended with ${code ?? signal}`);
  const { messages, ms, cpuMicroseconds } = JSON.parse(output) as Cost; // as reportCost prints it
  return { messages, messagesPerSecond: (messages / ms) * 1000, cpuMicroseconds, peakMiB };
}

/** 0 where the system does not tell, or the process has ended. */
async function residentMiB(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}
