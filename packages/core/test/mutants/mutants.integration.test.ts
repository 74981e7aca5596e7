import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Mutant, mutants } from './mutants.js';

const core = join(import.meta.dirname, '..', '..');
// Beside the sources, so that packages are found as they find them.
const workshop = join(core, '.mutants');
const original = 'original';

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly title: string; readonly status: string }[];
  }[];
}

/** Title to status, by copy and test file. */
const outcomes = new Map<string, string>();

beforeAll(async () => {
  await rm(workshop, { recursive: true, force: true });
  await copy(original, new Set(mutants.map(({ test }) => test.file)));
  for (const [index, mutant] of mutants.entries()) {
    await copy(`${index}`, new Set([mutant.test.file]));
    await patch(join(workshop, `${index}`, 'src', 'engine', mutant.file), mutant);
  }
  await writeFile(
    join(workshop, 'vitest.config.mjs'),
    "export default { test: { include: ['*/test/engine/*.test.ts'], testTimeout: 10_000 } };\n",
  );
  await runAll();
}, 240_000);

afterAll(() => rm(workshop, { recursive: true, force: true }));

async function copy(name: string, tests: ReadonlySet<string>): Promise<void> {
  const folder = join(workshop, name);
  await mkdir(join(folder, 'test', 'engine'), { recursive: true });
  await cp(join(core, 'src'), join(folder, 'src'), { recursive: true });
  for (const file of await readdir(join(core, 'test', 'engine'))) {
    if (file.endsWith('.test.ts') && !tests.has(file)) continue;
    await cp(join(core, 'test', 'engine', file), join(folder, 'test', 'engine', file), { recursive: true });
  }
}

async function patch(path: string, mutant: Mutant): Promise<void> {
  let text = await readFile(path, 'utf8');
  for (const { find, replace } of [mutant, ...(mutant.guards ?? [])]) {
    if (text.split(find).length !== 2)
      throw new Error(`mutant "${mutant.name}": its text does not stand exactly once in ${basename(path)}`);
    text = text.replace(find, () => replace);
  }
  await writeFile(path, text);
}

/** One process for all copies; that tests fail is what it is for. */
async function runAll(): Promise<void> {
  const vitest = join(createRequire(import.meta.url).resolve('vitest/package.json'), '..', 'vitest.mjs');
  const report = join(workshop, 'report.json');
  const args = [
    vitest,
    'run',
    '--root',
    workshop,
    '--config',
    join(workshop, 'vitest.config.mjs'),
    '--reporter=json',
    `--outputFile=${report}`,
  ];
  const child = spawn(process.execPath, args, { stdio: 'ignore', timeout: 220_000 });
  await once(child, 'exit');
  const { testResults } = JSON.parse(await readFile(report, 'utf8')) as Report; // vitest's own format
  for (const { name, assertionResults } of testResults) {
    const [copyName = ''] = name.slice(workshop.length + 1).split('/');
    for (const { title, status } of assertionResults) outcomes.set(`${copyName} ${basename(name)} ${title}`, status);
  }
}

describe('the engine', () => {
  it.each(mutants.map((mutant, index) => [mutant.name, index, mutant] as const))(
    'that %s is caught',
    (_, index, { test }) => {
      expect(outcomes.get(`${original} ${test.file} ${test.title}`)).toBe('passed');
      expect(outcomes.get(`${index} ${test.file} ${test.title}`)).toBe('failed');
    },
  );
});
