import { appendFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { filter, map, pipeline, withPayload } from '@sluice/core';
import { expect, onTestFinished, test } from 'vitest';
import { file } from '../src/index.js';
import { patience, temporaryFolder, textOf } from './harness.js';

test('copies the files of a pattern once, also when it runs again and finds more', async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'in'));
  const lines = Array.from({ length: 20 }, (_, index) => `file ${index}`);
  for (const [index, line] of lines.entries()) {
    const text = `${line} a\n${line} b\n`;
    await writeFile(join(folder, `in/${index}.log${index % 2 ? '.gz' : ''}`), index % 2 ? gzipSync(text) : text);
  }
  const copy = pipeline({
    name: 'copy',
    source: file.source({ path: `${folder}/in/*` }),
    sink: file.sink({ path: join(folder, 'out/all.log') }),
  });
  expect(copy.guarantee).toMatchObject({ delivery: 'effectively-once', ordered: true, owners: { source: 'sink' } });
  await copy.run();
  await copy.run();
  await appendFile(join(folder, 'in/0.log'), 'more\n');
  await copy.run();
  const copied = (await textOf(join(folder, 'out/all.log'))).split('\n').slice(0, -1);
  expect(copied.toSorted()).toEqual([...lines.flatMap((line) => [`${line} a`, `${line} b`]), 'more'].toSorted());
  for (const line of lines) expect(copied.indexOf(`${line} a`)).toBeLessThan(copied.indexOf(`${line} b`));
});

test('stores what cannot be written as dead letters in a file', async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'in.log'), '{"id":1}\nnot json\n{"id":2}\n');
  const stats = await pipeline({
    name: 'dead',
    source: file.source({ path: join(folder, 'in.log') }, { codec: 'json' }),
    transforms: [
      filter(({ payload }) => payload !== null),
      map((message) => withPayload(message, { seen: message.payload })),
    ],
    sink: file.sink({ path: join(folder, 'out.log') }),
    deadLetter: { sink: file.sink({ path: join(folder, 'dead.log') }), maxRatio: 1 },
  }).run();
  expect(stats).toMatchObject({ received: 3, written: 2, deadLettered: 1 });
  expect(await textOf(join(folder, 'out.log'))).toBe('{"seen":{"id":1}}\n{"seen":{"id":2}}\n');
  const letters = (await textOf(join(folder, 'dead.log'))).trim().split('\n');
  expect(letters).toHaveLength(1);
});

test('follows a file through rotation and restarts, and writes every line once', async () => {
  const folder = await temporaryFolder();
  const path = join(folder, 'app.log');
  const output = join(folder, 'out.log');
  await writeFile(path, '');
  const source = { path, follow: true, pollIntervalMs: 5, rotateWaitMs: 30 };
  const expected: string[] = [];
  const written = async (): Promise<string[]> => (await textOf(output).catch(() => '')).split('\n').slice(0, -1);
  for (let run = 0; run < 3; run++) {
    const abort = new AbortController();
    onTestFinished(() => abort.abort());
    const tail = pipeline({
      name: 'tail',
      source: file.source(source),
      sink: file.sink({ path: output }),
      flush: { intervalMs: 20 },
    });
    const running = tail.run({ signal: abort.signal });
    for (let line = 0; line < 20; line++) {
      await appendFile(path, `${run} ${line}\n`);
      expected.push(`${run} ${line}`);
      // A file that was rotated away before it was ever read belongs to nobody.
      if (run === 0 && line === 8) await expect.poll(written, patience).toContain('0 8');
      if (line === 9) await rename(path, `${path}.${run}`);
    }
    if (run !== 1) await expect.poll(written, patience).toEqual(expected);
    abort.abort();
    await running;
  }
  expect(await written()).toEqual(expected);
});

test.each([
  ['a missing file', { path: 'missing.log' }, 'not_found'],
  ['a folder', { path: '.' }, 'config_invalid'],
] as const)('fails on %s with one line that says what to do', async (_title, config, code) => {
  const folder = await temporaryFolder();
  const path = join(folder, config.path);
  const failing = pipeline({
    name: 'fail',
    source: file.source({ path }),
    sink: file.sink({ path: join(folder, 'out') }),
  });
  await expect(failing.run()).rejects.toMatchObject({
    code,
    message: expect.stringMatching(/^file source could not open: .+\.$/) as string,
  });
});

test('stops for good, and says why, when the output was cut off by somebody else', async () => {
  const folder = await temporaryFolder();
  const input = join(folder, 'in.log');
  await writeFile(input, 'one\n');
  const copy = pipeline({
    name: 'copy',
    source: file.source({ path: input }),
    sink: file.sink({ path: join(folder, 'out.log') }),
  });
  await copy.run();
  await rm(join(folder, 'out.log'));
  await expect(copy.run()).rejects.toMatchObject({
    code: 'position_lost',
    message: expect.stringContaining('out.log') as string,
  });
});
