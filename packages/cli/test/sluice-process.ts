import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

/** The built command. */
export const bin: string = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

/** The built command, running. */
export interface SluiceProcess {
  readonly pid: number;
  /** What it has printed so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly stdin: NodeJS.WritableStream;
  kill(signal: NodeJS.Signals): void;
  /** The reader of its standard output goes away. */
  closeStdout(): void;
  /** Resolves when stderr matches. Rejects when the process ends without that. */
  said(pattern: RegExp): Promise<void>;
  readonly ended: Promise<SluiceResult>;
}

export interface SluiceResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder of its own for one test, with these files in it. */
export async function makeFolder(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-cli-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

/** Makes packages of `@sluice` importable from a folder, as npm install would. */
export async function install(folder: string, ...names: readonly string[]): Promise<void> {
  const scope = join(folder, 'node_modules/@sluice');
  await mkdir(scope, { recursive: true });
  for (const name of names) await symlink(fileURLToPath(new URL(`../../${name}`, import.meta.url)), join(scope, name));
}

/** Starts `sluice` in a folder. It is killed when the test ends. */
export function startSluice(
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): SluiceProcess {
  const child = spawn(process.execPath, [bin, ...args], { cwd: folder, env: { PATH: process.env['PATH'], ...env } });
  onTestFinished(() => void child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    for (const listener of listeners) listener();
  });
  const ended = once(child, 'close').then(([code]: unknown[]) => ({ code: code as number | null, stdout, stderr }));
  return {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    stdin: child.stdin,
    closeStdout: () => void child.stdout.destroy(),
    kill: (signal) => void child.kill(signal),
    said: async (pattern) => {
      const seen = new Promise<void>((resolve) => {
        const listener = (): void => void (pattern.test(stderr) && resolve());
        listeners.add(listener);
        listener();
      });
      await Promise.race([
        seen,
        ended.then(() => {
          if (!pattern.test(stderr)) throw new Error(`sluice ended without saying ${String(pattern)}: ${stderr}`);
        }),
      ]);
    },
    ended,
  };
}

/** Runs `sluice` to its end. */
export function sluice(
  folder: string,
  args: readonly string[],
  env?: Readonly<Record<string, string>>,
): Promise<SluiceResult> {
  const child = startSluice(folder, args, env);
  child.stdin.end();
  return child.ended;
}

/** The JSON lines of a log. */
export function eventsOf(stderr: string): readonly Readonly<Record<string, unknown>>[] {
  return stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
