import { appendFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { exampleFile, makeFolder, programIn, sluice } from './run-to-end.js';

const root = dirname(exampleFile('.'));

interface Block {
  readonly language: string;
  readonly text: string;
}

async function blocksOfReadme(): Promise<readonly Block[]> {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  return [...readme.matchAll(/^```(\w+)\n(.*?)^```/gms)].map(([, language = '', text = '']) => ({ language, text }));
}

/** The only block of a language with this in it. */
function blockWith(blocks: readonly Block[], language: string, part: string): string {
  const found = blocks.filter((block) => block.language === language && block.text.includes(part));
  expect(found, `blocks of ${language} with ${part}`).toHaveLength(1);
  return found[0]?.text ?? '';
}

/** A project in which the packages are installed that the README installs. */
async function makeProject(blocks: readonly Block[]): Promise<string> {
  const folder = await makeFolder();
  const installed = blocks.flatMap(({ text }) => text.match(/^npm install .*$/gm) ?? []).join(' ');
  const packages = [...installed.matchAll(/@sluice\/(\w+)/g)].map(([, name = '']) => name);
  expect(packages).toEqual(['core', 'file', 'cli']);
  await mkdir(join(folder, 'node_modules/@sluice'), { recursive: true });
  for (const name of packages) await symlink(join(root, 'packages', name), join(folder, 'node_modules/@sluice', name));
  expect(blockWith(blocks, 'sh', 'npm install @sluice/core')).toContain('npm pkg set type=module\n');
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(join(folder, 'fahrenheit.txt'), '32\n212\n');
  return folder;
}

test('the pipeline in code of the README runs as it stands there, writes nothing twice, and only what was appended', async () => {
  const blocks = await blocksOfReadme();
  const folder = await makeProject(blocks);
  const output = (): Promise<string> => readFile(join(folder, 'celsius.txt'), 'utf8');
  const code = blockWith(blocks, 'ts', 'pipeline({');
  const promised = /guarantee\.summary\); \/\/ (.*)\n/.exec(code)?.[1];
  await writeFile(join(folder, 'celsius.js'), code);

  const run = (): ReturnType<typeof programIn> => programIn(folder, 'celsius.js');
  expect(await run()).toEqual({ code: 0, stdout: `${promised}\n`, stderr: '' });
  expect(await output()).toBe('0\n100\n');
  expect(await run()).toMatchObject({ code: 0 });
  expect(await output()).toBe('0\n100\n');
  await appendFile(join(folder, 'fahrenheit.txt'), '50\n');
  expect(await run()).toMatchObject({ code: 0 });
  expect(await output()).toBe('0\n100\n10\n');
});

test('the pipeline file of the README runs as it stands there, with the commands below it', async () => {
  const blocks = await blocksOfReadme();
  const folder = await makeProject(blocks);
  await writeFile(join(folder, 'celsius.yaml'), blockWith(blocks, 'yaml', '# celsius.yaml'));
  await writeFile(join(folder, 'to-celsius.ts'), blockWith(blocks, 'ts', '// to-celsius.ts'));

  const commands = blockWith(blocks, 'sh', 'npx sluice').match(/(?<=^npx sluice )[^#\n]*/gm) ?? [];
  expect(commands).toHaveLength(2);
  for (const command of commands) {
    const { code, stderr } = await sluice(folder, command.trim().split(' '));
    expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: expect.not.stringMatching(/warn/i) });
  }
  expect(await readFile(join(folder, 'celsius.txt'), 'utf8')).toBe('0\n100\n');
});

test('what the README runs in a clone is what package.json has', async () => {
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { readonly scripts: object };
  const blocks = await blocksOfReadme();
  const typed = blocks.flatMap(({ text }) => [...text.matchAll(/^npm (?:run )?(demo|test)\b/gm)]);
  expect(typed.map(([, script]) => script)).toEqual(['demo', 'test']);
  for (const [, script] of typed) expect(scripts).toHaveProperty(String(script));
});
