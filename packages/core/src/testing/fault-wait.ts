import type { Clock } from '../clock.js';
import { ConnectorError } from '../error.js';
import type { Fault } from './faults.js';

/** Resolves after a fault's wait; rejects with `aborted` when the caller aborted and the operation heeds it. */
export function faultWait(clock: Clock, fault: Fault, signal: AbortSignal | undefined): Promise<void> | undefined {
  const { waitMs = 0, ignoresAbortForMs = 0 } = fault;
  const heedsAbort = ignoresAbortForMs === 0;
  if (waitMs <= 0 && !(heedsAbort && signal?.aborted)) return undefined;
  return new Promise((resolve, reject) => {
    const cancels: (() => void)[] = [];
    function finish(settle: () => void): void {
      for (const cancel of cancels) cancel();
      signal?.removeEventListener('abort', onAbort);
      settle();
    }
    function finishAfter(ms: number): void {
      if (ms !== Number.POSITIVE_INFINITY) cancels.push(clock.after(ms, () => finish(resolve)));
    }
    function onAbort(): void {
      if (heedsAbort) finish(() => reject(new ConnectorError('aborted', 'the caller aborted')));
      else finishAfter(ignoresAbortForMs);
    }
    finishAfter(waitMs);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
}
