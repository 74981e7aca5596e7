import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { cliPath } from '#demo/started-process';

const examples = new URL('../', import.meta.url);

/** A process that has ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The path of a file of the examples. */
export function exampleFile(file: string): string {
  return fileURLToPath(new URL(file, examples));
}

/** A folder with the data of the examples, in which one test runs them. */
export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-examples-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  await cp(exampleFile('data'), join(folder, 'data'), { recursive: true });
  return folder;
}

/** Runs the `sluice` command to its end. */
export function sluice(
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return runToEnd(folder, [cliPath(), ...args], env);
}

/** Runs a program of the examples to its end. */
export function program(folder: string, file: string): Promise<Ended> {
  return runToEnd(folder, [exampleFile(file)], {});
}

/** Runs a program that lies in the folder. */
export function programIn(folder: string, file: string): Promise<Ended> {
  return runToEnd(folder, [file], {});
}

function runToEnd(cwd: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      args,
      { cwd, env: { ...process.env, ...env }, timeout: 30_000 },
      (error, stdout, stderr) => {
        // A number is an exit code; anything else says that the process could not be run, or took too long.
        const code = error === null ? 0 : error.code;
        if (typeof code === 'number') resolve({ code, stdout, stderr });
        else reject(error ?? new Error('the process did not end by itself'));
      },
    );
  });
}
