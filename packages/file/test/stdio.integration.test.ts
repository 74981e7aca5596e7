import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from './harness.js';

type Stdio = 'pipe' | 'ignore' | number;

function start(args: readonly string[], stdin: Stdio, stdout: Stdio): ChildProcess & { readonly reports: Promise<unknown[]> } {
  const script = join(import.meta.dirname, 'stdio-child.ts');
  const child = spawn(process.execPath, ['--no-warnings', script, ...args], { stdio: [stdin, stdout, 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const reports = child.stderr === null ? Promise.resolve([]) : text(child.stderr).then(parseLines);
  return Object.assign(child, { reports });
}

function parseLines(output: string): unknown[] {
  return output.split('\n').filter(Boolean).map((line) => JSON.parse(line) as unknown);
}

test('reads lines from a pipe until it ends, the last one without newline', async () => {
  const child = start(['read'], 'pipe', 'ignore');
  child.stdin?.write('one\ntw');
  await delay(50); // so that it comes in two pieces
  child.stdin?.end('o\nthree');
  const lines = (await child.reports).flatMap((report) => (report as { messages?: unknown[] }).messages ?? []);
  expect(lines).toEqual([
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
  expect(await child.reports).toMatchObject([{ messages: [['-', 'one'], ['-', 'two']], position: null }, { ended: expect.any(Number) as number }]);
});

test('ends within a second of its abort, and lets the process end, while the pipe stays open', async () => {
  const child = start(['read', 'abort'], 'pipe', 'ignore');
  child.stdin?.write('one\n');
  const [code] = (await once(child, 'exit')) as [number];
  const reports = await child.reports;
  expect([code, reports.slice(0, 2)]).toMatchObject([0, [{ messages: [['-', 'one']] }, 'aborting']]);
  expect((reports[2] as { ended: number }).ended).toBeLessThan(1300);
});

test('writes to a pipe and waits for its reader without blocking the process', async () => {
  const child = start(['write', '8'], 'ignore', 'pipe');
  await delay(300); // the reader is slow
  const output = child.stdout === null ? '' : await text(child.stdout);
  expect(output).toBe([0, 1, 2, 3, 4, 5, 6, 7].map((round) => `${`${round}`.repeat(256 * 1024)}\n`).join(''));
  const [report] = await child.reports;
  expect(report).toMatchObject({ written: true });
  expect((report as { ticks: number }).ticks).toBeGreaterThan(5);
});

test('says that the reader of the pipe went away', async () => {
  const child = start(['write', '100'], 'ignore', 'pipe');
  child.stdout?.destroy();
  const [code] = (await once(child, 'exit')) as [number];
  const message = 'the reader of "standard output" went away. Keep it running until the pipeline has ended.';
  expect([code, await child.reports]).toEqual([0, [{ code: 'closed', message }]]);
});

test('says that the disk of a redirected output is full', async () => {
  const descriptor = openSync('/dev/full', 'w');
  const child = start(['write', '1'], 'ignore', descriptor);
  closeSync(descriptor);
  expect(await child.reports).toMatchObject([{ code: 'resource_exhausted' }]);
});

test('writes to a file that the output is redirected to', async () => {
  const path = join(await temporaryFolder(), 'out');
  const descriptor = openSync(path, 'w');
  const child = start(['write', '2'], 'ignore', descriptor);
  closeSync(descriptor);
  expect(await child.reports).toMatchObject([{ written: true }]);
  expect((await readFile(path)).length).toBe(2 * (256 * 1024 + 1));
});
