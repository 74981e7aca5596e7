import { mkdir, readFile, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { makeFolder, sluice } from './sluice-process.js';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Every block whose first line names a file, and every command. */
async function readExamples(): Promise<{
  readonly files: Record<string, string>;
  readonly commands: readonly string[];
}> {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/^```(\w+)\n(.*?)^```/gms)].map(([, language = '', text = '']) => ({
    language,
    text,
  }));
  const files = blocks.flatMap(({ text }) => {
    const name = /^(?:#|\/\/) ([\w.-]+\.\w+)\n/.exec(text)?.[1];
    return name === undefined ? [] : [[name, text]];
  });
  const commands = blocks
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => text.split('\n'))
    .flatMap((line) => /^npx sluice ([^#>]*)/.exec(line)?.[1]?.trim() ?? []);
  return { files: { ...Object.fromEntries(files) }, commands };
}

test('every command and every file of the README works as it stands there', async () => {
  const { files, commands } = await readExamples();
  expect(Object.keys(files)).toEqual([
    'celsius.yaml',
    'to-fahrenheit.ts',
    'datagrams.yaml',
    'production.toml',
    'copy.ts',
  ]);
  expect(commands).toHaveLength(6);
  const folder = await makeFolder(files);
  await mkdir(join(folder, 'node_modules/@sluice'), { recursive: true });
  for (const name of ['core', 'file'])
    await symlink(join(dirname(dirname(root)), 'packages', name), join(folder, 'node_modules/@sluice', name));
  for (const command of [...commands, 'run copy.ts']) {
    const { code, stderr } = await sluice(folder, command.split(' '));
    expect({ command, code, stderr: code === 0 ? '' : stderr }).toEqual({ command, code: 0, stderr: '' });
  }
  const readings = (await readFile(join(folder, 'readings.ndjson'), 'utf8')).split('\n');
  expect(readings).toHaveLength(1001);
  expect(JSON.parse(readings[0] ?? '')).toMatchObject({ fahrenheit: expect.any(Number) });
  expect(await readFile(join(folder, 'copy.ndjson'), 'utf8')).toBe(readings.join('\n'));
  expect((await sluice(folder, ['validate', 'datagrams.yaml'])).code).toBe(0);
});
