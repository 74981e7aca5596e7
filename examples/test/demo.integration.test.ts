import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { waitUntil } from '#demo/wait-until';
import { exampleFile, makeFolder } from './run-to-end.js';

test('the demo leaves no process and no file behind when it is interrupted', async () => {
  const folder = await makeFolder();
  const before = readdirSync(folder);
  const demo = spawn(process.execPath, [exampleFile('demo.ts')], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void demo.kill('SIGKILL'));
  let said = '';
  demo.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const startup = { what: 'the demo sends readings', limitMs: 30_000, everyMs: 10 };
  const port = await waitUntil(startup, () => {
    if (demo.exitCode !== null) throw new Error(`the demo ended: ${said}`);
    return /listens on port (\d+)/.exec(said)?.[1];
  });
  expect(readdirSync(folder)).toHaveLength(before.length + 1);

  demo.kill('SIGINT');
  expect(await once(demo, 'exit')).toEqual([130, null]);
  expect(readdirSync(folder)).toEqual(before);
  await untilFree(Number(port));
});

/** Resolves when no process receives on a port any more. */
async function untilFree(port: number): Promise<void> {
  const limit = performance.now() + 10_000;
  for (;;) {
    const socket = createSocket('udp4');
    onTestFinished(() => void socket.close());
    socket.bind(port, '0.0.0.0');
    const bound = await Promise.race([
      once(socket, 'listening').then(() => true),
      once(socket, 'error').then(() => false),
    ]);
    if (bound) return;
    expect(performance.now(), `port ${port} is still in use`).toBeLessThan(limit);
  }
}
