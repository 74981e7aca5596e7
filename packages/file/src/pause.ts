import { setTimeout as wait } from 'node:timers/promises';

/** Resolves after a time, or at once when the signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  // An abort is the way to end, not a failure.
  return wait(ms, undefined, { signal }).catch(() => undefined);
}
