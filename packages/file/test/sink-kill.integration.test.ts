import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { FileSinkConfig } from '../src/config.js';
import { batchOf, checkpointAt, never, openSink, temporaryFolder, testContext } from './harness.js';
import type { ChildOrder } from './sink-child.js';

/** Runs the child until it ends, or kills it so long after its claim. */
async function run(
  order: ChildOrder,
  killAfterMs?: number,
): Promise<{ readonly killed: boolean; readonly output: string }> {
  const script = join(import.meta.dirname, 'sink-child.ts');
  const child = spawn(process.execPath, ['--no-warnings', script, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    if (output === '' && killAfterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    output += chunk;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (signal !== 'SIGKILL') expect(code).toBe(0);
  return { killed: signal === 'SIGKILL', output };
}

/** Goes on where a killed child got to, in this process. */
async function finish(config: FileSinkConfig, total: number): Promise<void> {
  const sink = await openSink(config, testContext('kill'));
  const stored = await sink.claim?.(['source:']);
  for (let next = Number(stored?.['source:']?.position ?? 0); next < total; next++)
    await sink.write(batchOf(`line ${next}`), never);
  await sink.flush?.(checkpointAt(total), never);
  await sink.close();
}

/** All lines of the output and of the files that were rotated away, read without the product. */
async function linesIn(folder: string, name: RegExp): Promise<string[]> {
  const files = (await readdir(folder)).filter((file) => name.test(file));
  // The file that is written has no number, and comes last.
  files.sort((a, b) => Number(/\d{6}/.test(b)) - Number(/\d{6}/.test(a)) || (a < b ? -1 : 1));
  const contents = await Promise.all(files.map(async (file) => readFile(join(folder, file))));
  return contents
    .map((bytes, index) => String(files[index]?.endsWith('.gz') && bytes.length > 0 ? gunzipSync(bytes) : bytes))
    .join('')
    .split('\n')
    .slice(0, -1);
}

function expectAll(lines: readonly string[], total: number): void {
  const wrong = lines.findIndex((line, index) => line !== `line ${index}`);
  expect(wrong === -1 ? undefined : lines.slice(Math.max(0, wrong - 2), wrong + 3)).toBeUndefined();
  expect(lines.length).toBe(total);
}

test('loses and repeats nothing when it is killed before each step that changes the disk, or in the middle of a write', async () => {
  const order = { total: 6, messagesPerWrite: 1, writesPerFlush: 2 } as const;
  const config = { path: join(await temporaryFolder(), 'out.log'), rotate: { maxBytes: 20 } };
  const { output } = await run({ ...order, config, dieAt: Number.MAX_SAFE_INTEGER });
  const steps = output.trim().split('\n').at(-1)?.split(',') ?? [];
  expect(steps.length).toBeGreaterThan(30);
  for (const [index, step] of steps.entries()) {
    for (const torn of step.startsWith('write') ? [false, true] : [false]) {
      const folder = await temporaryFolder();
      const place = { ...config, path: join(folder, 'out.log') };
      expect((await run({ ...order, config: place, dieAt: index + 1, torn })).killed, `step ${index}, ${step}`).toBe(
        true,
      );
      await finish(place, order.total);
      expectAll(await linesIn(folder, /^out[.\d]*\.log$/), order.total);
    }
  }
}, 300_000);

test.each([
  { name: 'out.log', pattern: /^out[.\d]*\.log$/ },
  { name: 'out.log.gz', pattern: /^out[.\d]*\.log\.gz$/ },
])(
  'loses and repeats nothing when it is killed at random, 30 times, writing $name',
  async ({ name, pattern }) => {
    const folder = await temporaryFolder();
    const order = {
      config: { path: join(folder, name), rotate: { maxBytes: 200_000 } },
      total: 100_000_000,
      messagesPerWrite: 50,
      writesPerFlush: 3,
    };
    let last = 0;
    for (let kill = 0; kill < 30; kill++) {
      const { killed, output } = await run(order, Math.random() * 30);
      const position = Number.parseInt(output, 10);
      expect(killed).toBe(true);
      expect(position).toBeGreaterThanOrEqual(last);
      last = position;
    }
    const total = (Math.floor(last / 50) + 100) * 50;
    expect((await run({ ...order, total })).killed).toBe(false);
    expectAll(await linesIn(folder, pattern), total);
  },
  300_000,
);
