import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { waitUntil } from '#demo/wait-until';
import { exampleFile, makeFolder } from './run-to-end.js';

interface RunningDemo {
  readonly demo: ChildProcess;
  /** Where it makes its folder. */
  readonly temporary: string;
  readonly alive: ReadonlySet<Socket>;
}

/** Starts the demo; resolves when it is in the middle of things, with processes and a server. */
async function startDemo(): Promise<RunningDemo> {
  const folder = await makeFolder();
  const temporary = join(folder, 'tmp');
  mkdirSync(temporary);
  // A server that runs as another user has to get there.
  for (const path of [folder, temporary]) chmodSync(path, 0o711);
  const { alive, hook } = await watchProcesses(folder);
  const demo = spawn(process.execPath, [exampleFile('demo.ts')], {
    env: { ...process.env, TMPDIR: temporary, NODE_OPTIONS: `--import=${pathToFileURL(hook).href}` },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  onTestFinished(() => void demo.kill('SIGKILL'));
  const inTheMiddle = { what: 'the demo, its caretaker, a pipeline and a sender run', limitMs: 45_000, everyMs: 10 };
  await waitUntil(inTheMiddle, () => {
    if (demo.exitCode !== null) throw new Error('the demo ended by itself');
    return alive.size === 4;
  });
  expect(readdirSync(temporary)).toHaveLength(1);
  return { demo, temporary, alive };
}

const leftovers = ({ temporary }: RunningDemo): readonly string[] => readdirSync(temporary);

test('the demo leaves no process and no file behind when it is interrupted', async () => {
  const running = await startDemo();
  running.demo.kill('SIGINT');
  expect(await once(running.demo, 'exit')).toEqual([130, null]);
  expect(leftovers(running)).toEqual([]);
  // Left alone, the sender would go on for more than two seconds.
  await waitUntil({ what: 'all processes are gone', limitMs: 1000, everyMs: 10 }, () => running.alive.size === 0);
});

test('the demo leaves no process, no file and no server behind when it is killed', async () => {
  const running = await startDemo();
  const server = serverIn(join(running.temporary, leftovers(running)[0] ?? ''));
  expect(isAlive(server)).toBe(true);
  running.demo.kill('SIGKILL');
  const gone = { what: 'all is gone', limitMs: 20_000, everyMs: 10 };
  await waitUntil(gone, () => running.alive.size === 0 && leftovers(running).length === 0 && !isAlive(server));
});

/** The process of the server in the folder of a demo. */
function serverIn(folder: string): number {
  return Number(readFileSync(join(folder, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0]);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    // There is no such process.
    return false;
  }
}

/** A module that makes each process that loads it hold a connection, and the connections of those that are alive. */
async function watchProcesses(folder: string): Promise<{ readonly alive: ReadonlySet<Socket>; readonly hook: string }> {
  const alive = new Set<Socket>();
  const server = createServer((socket) => {
    alive.add(socket);
    // A process that is killed may end its connection with an error, which says the same as its end.
    socket.on('error', () => undefined).on('close', () => alive.delete(socket));
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  // The address of a server that listens on a port is never a text.
  const { port } = server.address() as AddressInfo;
  const hook = join(folder, 'hold-connection.mjs');
  writeFileSync(hook, `import { connect } from 'node:net';\nconnect(${port}, '127.0.0.1').unref();\n`);
  return { alive, hook };
}
