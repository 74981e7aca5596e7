import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Checkpoint } from '../../src/sink-driver.js';

/** What a process that claims the checkpoint of `orders` is to do. */
export interface HolderTask {
  readonly folder: string;
  /** Saves without end, counting up from what it found. */
  readonly saves?: boolean;
  /** What `process.pid` says. */
  readonly pretendedPid?: number;
  /** Starts a child of its own that outlives it. */
  readonly withChild?: boolean;
  /** Gives up being root, if it is. */
  readonly withoutRights?: boolean;
}

/** What it tells, one line each. */
export type HolderReport =
  | { readonly type: 'starting' }
  | { readonly type: 'claimed'; readonly counter: number; readonly pid: number; readonly child: number | null }
  | { readonly type: 'saved'; readonly counter: number }
  | { readonly type: 'failed'; readonly code: string; readonly message: string };

/** A running one. */
export interface HolderProcess {
  /** The first report of this type; rejects when it can no longer come. */
  report<Type extends HolderReport['type']>(type: Type): Promise<Extract<HolderReport, { type: Type }>>;
  /** Everything that it told; complete when it has ended. */
  readonly reports: readonly HolderReport[];
  /** Kills it with SIGKILL, and resolves when the operating system has cleared it away. */
  kill(): Promise<void>;
}

const program = fileURLToPath(new URL('./holder-program.ts', import.meta.url));
const resolver = new URL('./resolve-typescript.ts', import.meta.url).href;

/** @param launcher a command line that starts another one and ends when that has ended */
export function startHolder(task: HolderTask, launcher: readonly string[] = []): HolderProcess {
  const [command, ...args] = [...launcher, process.execPath, '--import', resolver, program, JSON.stringify(task)];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const reports: HolderReport[] = [];
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  // Holder-program.ts writes nothing else.
  const lines = createInterface({ input: child.stdout }).on('line', (line) =>
    reports.push(JSON.parse(line) as HolderReport),
  );
  const closed = once(child, 'close');

  return {
    reports,
    report: async (type) => {
      for (;;) {
        const found = reports.find((report) => report.type === type);
        // Only its type says which member of the union it is.
        if (found) return found as Extract<HolderReport, { type: typeof type }>;
        if (type === 'failed' && reports.some((report) => report.type === 'claimed'))
          throw new Error('it claimed instead of failing');
        const next = await Promise.race([once(lines, 'line').then(() => 'line'), closed.then(() => 'closed')]);
        if (next === 'closed' && !reports.some((report) => report.type === type)) {
          throw new Error(`ended without "${type}": ${JSON.stringify(reports.at(-1))} ${errors}`);
        }
      }
    },
    kill: async () => {
      const alive = child.exitCode === null && child.signalCode === null;
      if (alive) process.kill(launcher.length > 0 ? launchedPid(child) : Number(child.pid), 'SIGKILL');
      await closed;
    },
  };
}

/** The process that a launcher has started; when the launcher ends, it has been cleared away. */
function launchedPid(launcher: ChildProcess): number {
  return Number(readFileSync(`/proc/${launcher.pid}/task/${launcher.pid}/children`, 'utf8'));
}

/** Many partitions that all stand at one number, so that a mixture of two checkpoints would show. */
export function checkpointOf(counter: number): Checkpoint {
  const position = { offset: counter };
  const stored = { connector: 'generate', version: 1, identity: null, position };
  return Object.fromEntries(Array.from({ length: 100 }, (_, partition) => [`source:${partition}`, stored]));
}

/** The number of {@link checkpointOf}; 0 when nothing is stored. */
export function counterOf(checkpoint: Checkpoint): number {
  const offsets = new Set(Object.values(checkpoint).map((stored) => JSON.stringify(stored.position)));
  if (offsets.size > 1) throw new Error(`a mixture of checkpoints: ${[...offsets].join(' ')}`);
  const [offset] = offsets;
  // Written by checkpointOf.
  return offset === undefined ? 0 : (JSON.parse(offset) as { offset: number }).offset;
}
