import { existsSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { measureProcess } from '../../src/bench/index.js';

const script = join(import.meta.dirname, 'greedy-process.ts');
const nodeOptions = ['--import', join(import.meta.dirname, '../resolve-typescript.ts')];

test('a process is seen from outside: what it moved, how fast, with what CPU and memory', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-measured-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const sizes = ['1', '200'] as const;
  const measuring = Promise.all(sizes.map((size) => measureProcess(script, [size, folder], nodeOptions)));
  await vi.waitFor(() => expect(sizes.every((size) => existsSync(join(folder, size)))).toBe(true), 15_000);
  // The timers of this process take turns with those that look, so in this time each process is looked at.
  for (let look = 0; look < 5; look++) await delay(100);
  writeFileSync(join(folder, 'stop'), '');
  const [small, large] = await measuring;
  if (small === undefined || large === undefined) throw new Error('there are two');
  expect(small.messages).toBe(1000);
  expect(small.messagesPerSecond).toBeLessThan(1000 / 0.45); // it has waited for all the looks
  expect(small.messagesPerSecond).toBeGreaterThan(0);
  expect(small.cpuMicroseconds).toBeGreaterThan(0);
  expect(large.peakMiB - small.peakMiB).toBeGreaterThan(150);
});

test('a process that fails is an error with its name and code', async () => {
  await expect(measureProcess(script, [], nodeOptions)).rejects.toThrow('greedy-process.ts ended with 3');
});
