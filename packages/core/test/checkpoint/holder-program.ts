import { spawn } from 'node:child_process';
import { writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { fileCheckpoints } from '../../src/checkpoint/file-store.js';
import { isConnectorError } from '../../src/error.js';
import type { HolderReport, HolderTask } from './holder-process.js';
import { checkpointOf, counterOf } from './holder-process.js';

// The only program that passes this argument is holder-process.ts.
const task = JSON.parse(process.argv[2] ?? '') as HolderTask;

/** Written at once: what the other end has read has happened, whenever this process is killed. */
function report(message: HolderReport): void {
  writeSync(1, `${JSON.stringify(message)}\n`);
}

async function run(): Promise<void> {
  if (task.pretendedPid !== undefined) Object.defineProperty(process, 'pid', { value: task.pretendedPid });
  if (task.withoutRights && process.getuid?.() === 0) {
    process.setgid?.(65534);
    process.setuid?.(65534);
  }
  // Node would do it at the end, which a killed process does not reach.
  flushCompileCache();
  report({ type: 'starting' });
  const claim = await fileCheckpoints({ path: task.folder }).claim('orders');
  let counter = counterOf(claim.checkpoint);
  const child = task.withChild ? spawn('sleep', ['600'], { stdio: 'ignore' }) : undefined;
  report({ type: 'claimed', counter, pid: process.pid, child: child?.pid ?? null });
  while (task.saves) {
    counter++;
    await claim.save(checkpointOf(counter));
    report({ type: 'saved', counter });
  }
  // Until it is killed.
  setInterval(() => undefined, 60_000);
}

try {
  await run();
} catch (error) {
  report({ type: 'failed', code: isConnectorError(error) ? error.code : 'none', message: String(error) });
  process.exitCode = 1;
}
