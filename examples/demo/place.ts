import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Where the demo works. */
export interface Place {
  readonly folder: string;
  /** An empty database. */
  readonly url: string;
  /** For people: what server that is. */
  readonly where: string;
}

let caretaker: ChildProcess | undefined;

/**
 * Makes a folder and a database.
 *
 * @throws {Error} that says what to do when there can be none
 */
export async function makePlace(): Promise<Place> {
  const started = spawn(process.execPath, [fileURLToPath(new URL('caretaker.ts', import.meta.url))], {
    // So that Ctrl-C, which a terminal sends to all, does not reach it.
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  caretaker = started;
  // Nothing more can be told to one that was killed.
  started.stdin.on('error', () => undefined);
  for await (const line of createInterface({ input: started.stdout })) {
    const said = JSON.parse(line) as Place | { readonly problem: string }; // As caretaker.ts prints it.
    if ('problem' in said) throw new Error(said.problem);
    return said;
  }
  throw new Error('the process that makes a folder and a database ended without a word');
}

/** Removes both, with all that {@link tellStarted} has named and that still runs. */
export async function leavePlace(): Promise<void> {
  if (caretaker === undefined || caretaker.exitCode !== null || caretaker.signalCode !== null) return;
  const gone = once(caretaker, 'exit');
  caretaker.stdin?.end();
  await gone;
}

/** Names a process that is not to outlive the demo, until it ends. */
export function tellStarted(child: ChildProcess): void {
  caretaker?.stdin?.write(`+${child.pid}\n`);
  child.once('exit', () => caretaker?.stdin?.write(`-${child.pid}\n`));
}
