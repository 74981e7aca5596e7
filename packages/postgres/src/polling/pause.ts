import { setTimeout as wait } from 'node:timers/promises';

/** How long to wait for transactions to end before looking again, after having waited so many times: some take hours. */
export function settlingMs(times: number): number {
  return Math.min(1000, 50 * 2 ** times);
}

/** Resolves after a time, or at once when the signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  // An abort is the way to end, not a failure.
  return wait(ms, undefined, { signal }).catch(() => undefined);
}
