import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { exampleFile } from './run-to-end.js';

const root = dirname(exampleFile('.'));
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>;
};

const isBelow3 = (seconds: number): boolean => seconds < 3;

interface Ended {
  readonly code: number | null;
  readonly text: string;
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-start-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function shell(command: string, cwd: string): Promise<Ended> {
  const child = spawn(command, { shell: true, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null]; // what this event tells
  return { code, text };
}

/** What `npm run demo` or `npm test` types, with these commands in place of those of the script that it starts. */
async function entry(name: 'demo' | 'test', commands: string): Promise<string> {
  const work = join(await temporaryFolder(), 'work.sh');
  await writeFile(work, `${commands}\n`);
  const typed = scripts[name] ?? '';
  expect(typed.split(`${name}:run`)).toHaveLength(2);
  return typed.replace(`${name}:run`, () => `'exec sh ${work}'`);
}

test.each([
  ['demo', 'node examples/demo.ts'],
  ['test', 'vitest run'],
] as const)(
  'the second "%s" spends less than 3 s outside its own work, without a network',
  { timeout: 280_000 },
  async (name, work) => {
    const steps = (scripts[`${name}:run`] ?? '').split(' && ');
    expect(steps.pop()).toBe(work);
    const command = await entry(name, steps.join(' && '));
    expect(await shell(command, root)).toMatchObject({ code: 0 });
    // The processor's time: what else the machine does is of no account.
    const timed = join(await temporaryFolder(), 'timed.sh');
    await writeFile(timed, `export npm_config_offline=true\nTIMEFORMAT='seconds %U %S'\ntime ( ${command} )\n`);
    const { code, text } = await shell(`bash ${timed}`, root);
    const [, user, system] = /^seconds (\S+) (\S+)$/m.exec(text) ?? [];
    expect({ code, seconds: Number(user) + Number(system) }).toEqual({ code: 0, seconds: expect.toSatisfy(isBelow3) });
  },
);

test.each(['demo', 'test'] as const)('"%s" ends as its work ends, and prints what that prints', async (name) => {
  const failed = await shell(await entry(name, 'echo the work fails; exit 7'), root);
  expect(failed).toMatchObject({ code: 7, text: expect.stringContaining('the work fails') as string });
});

test('an install that fails says why, and nothing is run after it', async () => {
  const folder = await temporaryFolder();
  await writeFile(
    join(folder, 'package.json'),
    '{ "dependencies": { "zod": "4.0.0" }, "scripts": { "x": "echo run" } }',
  );
  const { code, text } = await shell(`node ${join(root, '.ci/start.mjs')} x`, folder);
  expect(code).toBe(1);
  expect(text).toMatch(/lockfile/);
  expect(text).not.toContain('run\n');
});

/** Tells its call, and fails where that is the one to fail. */
const stub = `#!/bin/sh
call="\${0##*/} $*"
if [ "$call" = "$FAILING" ]; then exit 7; fi
echo "call $call"
`;

test('".ci/run" ends at the first step that fails, as that ends, and names it last', async () => {
  const folder = await temporaryFolder();
  for (const name of ['.ci', 'bin']) await mkdir(join(folder, name));
  await copyFile(join(root, '.ci/run'), join(folder, '.ci/run'));
  await writeFile(join(folder, '.ci/readme-tables.mjs'), '');
  const programs = ['node', 'biome', 'turbo', 'knip', 'npm'];
  for (const name of programs) await writeFile(join(folder, 'bin', name), stub, { mode: 0o755 });
  await writeFile(join(folder, 'bin/npx'), '#!/bin/sh\nprintf %s "$PATH"; test "$FAILING" != npx || exit 7\n', {
    mode: 0o755,
  });
  const run = (failing: string): Promise<Ended> =>
    shell(`PATH="$PWD/bin:$PATH" FAILING='${failing}' bash .ci/run`, folder);

  const { code, text } = await run('');
  expect({ code, text }).toMatchObject({ code: 0 });
  const steps = [...text.matchAll(/^==> (.*)\ncall (.*)$/gm)];
  expect(new Set(steps.map(([, , call = '']) => call.split(' ')[0]))).toEqual(new Set(programs));
  expect(steps.map(([, title]) => title).slice(-2)).toEqual(['npm test', 'npm run demo']);
  expect(await run('npx')).toMatchObject({ code: 7, text: expect.stringMatching(/^\n==> Node\.js .*\n$/) as string });
  for (const [step, , call = ''] of steps) {
    const upTo = text.slice(0, text.indexOf(step) + step.length - `call ${call}`.length);
    expect(await run(call)).toEqual({ code: 7, text: upTo });
  }
});
