import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { patience, temporaryFolder } from './harness.js';

type Stdio = 'pipe' | 'ignore' | number;

interface Child {
  readonly process: ChildProcess;
  /** What it has reported so far. */
  readonly reports: unknown[];
  /** Its exit code. */
  readonly exit: Promise<number>;
}

function start(args: readonly string[], stdin: Stdio, stdout: Stdio): Child {
  const script = join(import.meta.dirname, 'stdio-child.ts');
  const child = spawn(process.execPath, ['--no-warnings', script, ...args], { stdio: [stdin, stdout, 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const reports: unknown[] = [];
  if (child.stderr !== null) createInterface(child.stderr).on('line', (line) => reports.push(JSON.parse(line)));
  return { process: child, reports, exit: once(child, 'close').then(([code]) => code as number) };
}

function messagesOf({ reports }: Child): unknown[] {
  return reports.flatMap((report) => (report as { messages?: unknown[] }).messages ?? []);
}

test('reads lines from a pipe until it ends, the last one without newline', async () => {
  const child = start(['read'], 'pipe', 'ignore');
  child.process.stdin?.write('one\ntw');
  await expect.poll(() => messagesOf(child), patience).toEqual([['-', 'one']]);
  child.process.stdin?.end('o\nthree');
  expect(await child.exit).toBe(0);
  expect(messagesOf(child)).toEqual([
    ['-', 'one'],
    ['-', 'two'],
    ['-', 'three'],
  ]);
});

test('reads standard input that is a file', async () => {
  const path = join(await temporaryFolder(), 'in');
  await writeFile(path, 'one\ntwo\n');
  const descriptor = openSync(path, 'r');
  const child = start(['read'], descriptor, 'ignore');
  closeSync(descriptor);
  expect(await child.exit).toBe(0);
  expect(child.reports[0]).toEqual({
    messages: [
      ['-', 'one'],
      ['-', 'two'],
    ],
    position: null,
  });
});

test('ends within a second of its abort, and lets the process end, while the pipe stays open', async () => {
  const child = start(['read'], 'pipe', 'ignore');
  child.process.stdin?.write('one\nhalf');
  await expect.poll(() => messagesOf(child), patience).toEqual([['-', 'one']]);
  child.process.kill('SIGTERM');
  expect(await child.exit).toBe(0);
  expect(messagesOf(child)).toEqual([['-', 'one']]);
  expect((child.reports.at(-1) as { endedAfterMs: number }).endedAfterMs).toBeLessThan(1000);
});

test('writes to a pipe and waits for its reader without blocking the process', async () => {
  const child = start(['write', '8'], 'ignore', 'pipe');
  await expect.poll(() => child.reports, patience).toEqual(['alive']);
  const output = child.process.stdout === null ? '' : await text(child.process.stdout);
  expect(output).toBe([0, 1, 2, 3, 4, 5, 6, 7].map((round) => `${`${round}`.repeat(256 * 1024)}\n`).join(''));
  expect(await child.exit).toBe(0);
  expect(child.reports).toEqual(['alive', 'written']);
});

test('says that the reader of the pipe went away', async () => {
  const child = start(['write', '100'], 'ignore', 'pipe');
  child.process.stdout?.destroy();
  expect(await child.exit).toBe(0);
  const message = 'the reader of "standard output" went away. Keep it running until the pipeline has ended.';
  expect(child.reports.at(-1)).toEqual({ code: 'closed', message });
});

test('says that the disk of a redirected output is full', async () => {
  const descriptor = openSync('/dev/full', 'w');
  const child = start(['write', '1'], 'ignore', descriptor);
  closeSync(descriptor);
  expect(await child.exit).toBe(0);
  expect(child.reports.at(-1)).toMatchObject({ code: 'resource_exhausted' });
});

test('writes to a file that the output is redirected to', async () => {
  const path = join(await temporaryFolder(), 'out');
  const descriptor = openSync(path, 'w');
  const child = start(['write', '2'], 'ignore', descriptor);
  closeSync(descriptor);
  expect(await child.exit).toBe(0);
  expect(child.reports.at(-1)).toBe('written');
  expect((await readFile(path)).length).toBe(2 * (256 * 1024 + 1));
});
