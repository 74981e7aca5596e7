import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { expectOneError, good, runFile } from './bad-input.js';
import { bin, makeFolder, type SluiceResult } from './sluice-process.js';

const withTransform = good.replace('sink:', 'transforms: [./t.js]\nsink:');

test('an older Node.js is refused before anything is loaded that it could not load', async () => {
  const folder = await makeFolder();
  const manifest = await readFile(join(bin, '../../package.json'), 'utf8');
  await mkdir(join(folder, 'dist'));
  // Without the other modules: loading one would fail.
  for (const name of ['cli.js', 'version.js']) await cp(join(bin, '..', name), join(folder, 'dist', name));
  await writeFile(join(folder, 'package.json'), manifest.replace('>=22.18.0', '>=999.0.0'));

  const { code, stdout, stderr } = await new Promise<SluiceResult>((resolve) => {
    const child = execFile(process.execPath, [join(folder, 'dist/cli.js'), 'list'], (_error, out, err) =>
      resolve({ code: child.exitCode, stdout: out, stderr: err }),
    );
  });
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^sluice needs Node\.js 999\.0\.0 or newer, and this is \d+\.\d+\.\d+; install [^\n]*\n$/);
});

describe('a module that', () => {
  test.each([
    ['waits for ever while it is loaded', 'await new Promise(() => {});'],
    ['ends the process while it is loaded', 'process.exit();'],
    ['waits for ever for a message', 'export const transform = () => new Promise(() => {});'],
  ])('%s ends the run with 1, and not as if all were done', async (_what, module) => {
    const result = await runFile(withTransform, { 't.js': module });
    expectOneError(result, 1, /ended before its work was done: a transform.* mend it/);
  });

  test('throws outside of any call is not taken for an error of Sluice alone', async () => {
    const module =
      'setTimeout(() => { throw new Error("too late"); }); export const transform = () => new Promise(() => {});';
    expectOneError(
      await runFile(withTransform, { 't.js': module }),
      1,
      /nothing caught: too late; --debug shows where it comes from: mend it if that is a module of yours/,
    );
  });
});
