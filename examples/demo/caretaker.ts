// node caretaker.ts: makes a folder and a database for the demo, and sees that nothing stays behind. As soon as its stdin ends,
// which happens in whatever way the demo ends, it kills the processes that it was told of and removes what it has made.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openDatabase } from '#demo/database';

const demoEnded = new AbortController();
const running = new Set<number>();
const told = followTold();
const folder = mkdtempSync(join(tmpdir(), 'sluice-demo-'));
// The server runs as another user when this is root, and has to get to its own folder in it.
chmodSync(folder, 0o711);
try {
  const { url, where, close } = await openDatabase(folder, demoEnded.signal);
  try {
    console.log(JSON.stringify({ folder, url, where }));
    await told;
    for (const pid of running) killIfThere(pid);
  } finally {
    await close();
  }
} catch (error) {
  if (!demoEnded.signal.aborted) console.log(JSON.stringify({ problem: error instanceof Error ? error.message : '' }));
} finally {
  // A process that was killed a moment ago may still be creating a file.
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
process.exit();

/** Follows what the demo says: `+123` when it has started a process, `-123` when that has ended. */
async function followTold(): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.startsWith('+')) running.add(Number(line.slice(1)));
    else running.delete(Number(line.slice(1)));
  }
  demoEnded.abort();
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
