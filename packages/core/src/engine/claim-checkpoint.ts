import type { CheckpointClaim } from '../checkpoint/store.js';
import { isConnectorError, wrapError } from '../error.js';
import { Backoff } from './backoff.js';
import { openDriver } from './open-driver.js';
import type { Run } from './run.js';

/** Claims the pipeline's checkpoint, trying again what may pass; undefined when no checkpoint store is needed. */
export async function claimCheckpoint(run: Run): Promise<CheckpointClaim | undefined> {
  const { store, name, clock, retry, openTimeoutMs } = run.plan;
  if (store === undefined) return undefined;
  const { claim } = await openDriver({
    open: async () => {
      const fresh = await store.claim(name);
      return { claim: fresh, close: () => fresh.release() };
    },
    wrap: (error) =>
      // A store's own errors say all; one of the time that is up says nothing of the store.
      isConnectorError(error) && error.code !== 'timeout'
        ? error
        : wrapError(error, undefined, { operation: `claim the checkpoint in ${store.description}` }),
    clock,
    backoff: new Backoff(retry),
    maxAttempts: retry.maxAttempts,
    limitMs: openTimeoutMs,
    // A claim that comes late would fence whoever came next.
    attemptMs: openTimeoutMs,
    graceMs: openTimeoutMs,
    stop: run.stopSignal,
    onRetry: (error, attempt, delayMs) => run.degraded('checkpoint', error, attempt, delayMs),
  });
  return claim;
}
