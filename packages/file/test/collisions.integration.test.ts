import { link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { type DeadLetterDefinition, type PipelineDefinition, pipeline } from '@sluice/core';
import { describe, expect, test } from 'vitest';
import type { FileSinkConfig } from '../src/config.js';
import { file } from '../src/index.js';
import { openSource, temporaryFolder, textOf } from './harness.js';

async function folderWith(...paths: readonly string[]): Promise<string> {
  const folder = await temporaryFolder();
  for (const path of paths) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), 'line\n');
  }
  return folder;
}

const copy = (from: string, to: FileSinkConfig, more: Partial<PipelineDefinition> = {}) =>
  pipeline({ name: 'copy', source: file.source({ path: from }), sink: file.sink(to), ...more });

const refused = (text: RegExp): unknown =>
  expect.objectContaining({ code: 'config_invalid', message: expect.stringMatching(text) });

describe('a sink that writes to what the source reads is refused', () => {
  test('before anything is written, saying what, where and what to do', async () => {
    const folder = await folderWith('a.log');
    const path = join(folder, 'a.log');
    const loop = copy(path, { path, atomic: false });
    const text =
      /^pipeline "copy": sink writes to ".*a\.log", which source reads: the pipeline would read its own output\. Write to another place, or read less$/;
    await expect(loop.validate()).rejects.toEqual(refused(text));
    await expect(loop.run()).rejects.toEqual(refused(text));
    expect(await textOf(path)).toBe('line\n');
  });

  test.each([
    ['the same file by another path', 'a.log', 'x/../a.log'],
    ['a pattern that the output matches once it is there', '*.log', 'out.log'],
    ['a pattern with folders', '**/*.log', 'deep/er/out.log'],
    ['a pattern of several folders', '{in,out}/*.log', 'out/all.log'],
    ['a pattern that begins outside', 'in/../*.log', 'out.log'],
  ])('%s', async (_what, from, to) => {
    const folder = await folderWith('a.log');
    await expect(copy(join(folder, from), { path: join(folder, to) }).validate()).rejects.toEqual(refused(/reads/));
    const here = relative(process.cwd(), folder);
    await expect(copy(`${here}/${from}`, { path: join(folder, to) }).validate()).rejects.toEqual(refused(/reads/));
  });

  test('through symbolic and hard links', async () => {
    const folder = await folderWith('in/a.log', 'elsewhere/b.log');
    await symlink(join(folder, 'in'), join(folder, 'linked'));
    await symlink(join(folder, 'in/new.log'), join(folder, 'yet-to-be-made'));
    await symlink(join(folder, 'elsewhere'), join(folder, 'in/inside'));
    await link(join(folder, 'in/a.log'), join(folder, 'hard.log'));
    for (const [from, to] of [
      ['in/a.log', 'linked/a.log'],
      ['linked/*.log', 'in/out.log'],
      ['in/*.log', 'linked/out.log'],
      ['in/*.log', 'yet-to-be-made'],
      ['in/**', 'elsewhere/b.log'],
      ['in/a.log', 'hard.log'],
    ] as const) {
      await expect(copy(join(folder, from), { path: join(folder, to) }).validate(), `${from} ${to}`).rejects.toEqual(
        refused(/reads/),
      );
    }
  });

  test('also when only the rotated files, or the dead letters, would be read', async () => {
    const folder = await folderWith('a.log');
    const rotating = { path: join(folder, 'out.log'), rotate: { maxBytes: 1 } };
    await expect(copy(join(folder, 'out.*.log'), rotating).validate()).rejects.toEqual(refused(/out\.000001\.log/));
    const deadLetter = { sink: file.sink({ path: join(folder, 'dead.log') }) };
    await expect(
      copy(join(folder, '*.log'), { path: join(folder, 'out.txt') }, { deadLetter }).validate(),
    ).rejects.toEqual(refused(/deadLetter writes to ".*dead\.log", which source reads/));
  });
});

test.each([
  ['in/*.log', 'in/all.ndjson'],
  ['in/*.log', 'in/deeper/all.log'],
  ['in/*.log', 'out/all.log'],
  ['odd \\[1\\]/*.log', 'odd 1/b.log'],
])('a source of %s beside a sink of %s is accepted', async (from, to) => {
  const folder = await folderWith('in/a.log', 'odd [1]/b.log');
  await expect(copy(join(folder, from), { path: join(folder, to) }).validate()).resolves.toBeUndefined();
});

test('standard input and output are accepted', async () => {
  await expect(copy('-', { path: '-' }).validate()).resolves.toBeUndefined();
});

describe('two sinks on one file', () => {
  const dead = (path: string, atomic?: boolean): DeadLetterDefinition => ({
    sink: file.sink({ path, ...(atomic === undefined ? {} : { atomic }) }),
  });

  test('are refused, dead letters included, and so is a sink on the checkpoint of another', async () => {
    const folder = await folderWith('a.log');
    const path = join(folder, 'out.log');
    const from = join(folder, 'a.log');
    await expect(copy(from, { path }, { deadLetter: dead(join(folder, './x/../out.log')) }).run()).rejects.toEqual(
      refused(/deadLetter writes to ".*out\.log", which sink writes to as well: .*Give each a place of its own/),
    );
    await expect(copy(from, { path }, { deadLetter: dead(`${path}.checkpoint`) }).validate()).rejects.toEqual(
      refused(/out\.log\.checkpoint/),
    );
    await expect(copy(from, { path }, { deadLetter: dead(path, false) }).validate()).rejects.toEqual(
      refused(/as well/),
    );
    const branch = (name: string) => ({ sink: file.sink({ path: join(folder, name) }), deadLetter: dead(path) });
    const several = pipeline({
      name: 'fan',
      source: file.source({ path: from }),
      sinks: { a: branch('1.log'), b: branch('2.log') },
    });
    await expect(several.validate()).rejects.toEqual(refused(/sinks\.b\.deadLetter writes to .*sinks\.a\.deadLetter/));
  });

  test('are accepted where both only append', async () => {
    const folder = await folderWith('a.log');
    const path = join(folder, 'out.log');
    await copy(join(folder, 'a.log'), { path, atomic: false }, { deadLetter: dead(path, false) }).run();
    expect(await textOf(path)).toBe('line\n');
  });
});

test('following one compressed file is refused, also where only opening tells that its path is no pattern', async () => {
  const folder = await folderWith('odd [1.log.gz');
  await expect(openSource({ path: join(folder, 'odd \\[1.log.gz'), follow: true })).rejects.toThrow(
    'follow does not apply to compressed files',
  );
});
