import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { tellStarted } from '#demo/place';

const examples = new URL('../', import.meta.url);

/** A line of the log that `sluice run` writes where there is no terminal. */
export interface LogEvent {
  readonly event?: string;
  readonly msg: string;
  readonly text?: string;
  readonly summary?: Summary;
}

/** The counters at the end of a run, as far as the demo shows them. */
export interface Summary {
  readonly received: number;
  readonly written: number;
  readonly deadLettered: number;
  readonly connectors: Readonly<Record<string, number>>;
}

/** A process that the demo has started. */
export interface StartedProcess {
  readonly pid: number;
  /** What it has logged so far. */
  readonly log: readonly LogEvent[];
  kill(signal: NodeJS.Signals): void;
  /** Whether it has ended, in whatever way. */
  hasEnded(): boolean;
  /** Resolves at its end with its exit code, or with the signal that killed it. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/** The `sluice` command, as the package that brings it is installed here. */
export function cliPath(): string {
  const path = fileURLToPath(new URL('dist/cli.js', import.meta.resolve('@sluice/cli/package.json')));
  if (!existsSync(path)) throw new Error('the sluice command is not built; "npm run demo" in the root builds it');
  return path;
}

/** Starts `sluice run` on a pipeline of the examples. Its relative paths count from `folder`. */
export function startPipeline(
  folder: string,
  [file, ...options]: readonly [file: string, ...options: string[]],
  env: Readonly<Record<string, string>> = {},
): StartedProcess {
  return start(folder, [cliPath(), 'run', exampleFile(file), ...options], env);
}

/** Starts a program of the examples. */
export function startProgram(
  folder: string,
  [file, ...args]: readonly [file: string, ...args: string[]],
): StartedProcess {
  return start(folder, [exampleFile(file), ...args], {});
}

/**
 * Resolves when a process has ended by itself.
 *
 * @throws {Error} with its last words when its exit code is not 0
 */
export async function succeeded(name: string, child: StartedProcess): Promise<void> {
  const code = await child.ended;
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${lastWordsOf(child)}`);
}

/** Why a process ended, as far as it told. */
export function lastWordsOf({ log }: StartedProcess): string {
  const failed = log.findLast(({ event }) => event === 'failed');
  return failed?.msg ?? (log.map(({ msg }) => msg).join('\n') || 'it said nothing');
}

function exampleFile(file: string): string {
  return fileURLToPath(new URL(file, examples));
}

function start(folder: string, args: readonly string[], env: Readonly<Record<string, string>>): StartedProcess {
  const stdio = ['ignore', 'ignore', 'pipe'] as const;
  const child = spawn(process.execPath, args, { cwd: folder, stdio: [...stdio], env: { ...process.env, ...env } });
  tellStarted(child);
  const log: LogEvent[] = [];
  let rest = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) log.push(eventOf(line));
  });
  let hasEnded = false;
  const ended = once(child, 'close').then(([code, signal]: (number | NodeJS.Signals | null)[]) => {
    hasEnded = true;
    return code ?? signal ?? 'SIGKILL';
  });
  return { pid: child.pid ?? 0, log, kill: (signal) => void child.kill(signal), hasEnded: () => hasEnded, ended };
}

function eventOf(line: string): LogEvent {
  // Whatever is not the log of the pipeline (a warning of Node.js, a crash) is still worth to be read.
  return line.startsWith('{') ? (JSON.parse(line) as LogEvent) : { msg: line };
}
