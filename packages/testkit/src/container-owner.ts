import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** Labels by which a container names the process that it belongs to, told apart from others that had its number before. */
const labelNames = { host: 'sluice.test.host', pid: 'sluice.test.pid', started: 'sluice.test.started' } as const;

/** Selects containers of test servers. */
export const testServerLabel: string = labelNames.pid;

/** Labels that say that a container belongs to a process of this machine. */
export function ownerLabels(pid: number): Record<string, string> {
  return { [labelNames.host]: hostname(), [labelNames.pid]: String(pid), [labelNames.started]: startOf(pid) };
}

/**
 * Whether the process that a container belongs to is gone. Of a process on another machine that uses the same engine, or of
 * a container without these labels, that is not known, so the answer is no.
 */
export function ownerIsGone(labels: Readonly<Record<string, string>>): boolean {
  const pid = Number(labels[labelNames.pid]);
  if (labels[labelNames.host] !== hostname() || !Number.isSafeInteger(pid) || pid <= 0) return false;
  return !isAlive(pid) || startOf(pid) !== labels[labelNames.started];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Not allowed to signal it: it lives, as another user's process.
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // what process.kill throws
  }
}

/** Boot of the machine and start of a process. Without /proc (macOS) all are `''`, and a process is known by its number. */
function startOf(pid: number): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    // The second field, the name in parentheses, may hold spaces; the start is the 22nd.
    const start = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, '').split(' ')[20] ?? '';
    return `${boot}/${start}`;
  } catch {
    return ''; // the platform does not tell
  }
}
