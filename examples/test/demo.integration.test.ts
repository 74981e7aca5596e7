import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { waitUntil } from '#demo/wait-until';
import { exampleFile, makeFolder } from './run-to-end.js';

test('the demo leaves no process and no file behind when it is interrupted', async () => {
  const folder = await makeFolder();
  const temporary = join(folder, 'tmp');
  mkdirSync(temporary);
  const { alive, hook } = await watchProcesses(folder);
  const demo = spawn(process.execPath, [exampleFile('demo.ts')], {
    env: { ...process.env, TMPDIR: temporary, NODE_OPTIONS: `--import=${pathToFileURL(hook).href}` },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  onTestFinished(() => void demo.kill('SIGKILL'));
  await waitUntil({ what: 'the demo, a pipeline and a sender run', limitMs: 30_000, everyMs: 10 }, () => {
    if (demo.exitCode !== null) throw new Error('the demo ended by itself');
    return alive.size === 3;
  });
  expect(readdirSync(temporary)).toHaveLength(1);

  demo.kill('SIGINT');
  expect(await once(demo, 'exit')).toEqual([130, null]);
  expect(readdirSync(temporary)).toEqual([]);
  // Left alone, the sender would go on for more than two seconds.
  await waitUntil({ what: 'all processes are gone', limitMs: 1000, everyMs: 10 }, () => alive.size === 0);
});

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
