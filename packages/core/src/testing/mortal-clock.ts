import type { Clock } from '../clock.js';

/** A clock whose timers die with its instance. */
export interface MortalClock extends Clock {
  /** Cancels every timer, and takes no more. */
  stop(): void;
}

/** Makes a clock that shows the time of another one. */
export function mortalClock(clock: Clock): MortalClock {
  let stopped = false;
  const cancels = new Set<() => void>();
  function after(ms: number, callback: () => void): () => void {
    if (stopped) return () => {};
    const cancelTimer = clock.after(ms, () => {
      cancels.delete(cancel);
      callback();
    });
    function cancel(): void {
      cancels.delete(cancel);
      cancelTimer();
    }
    cancels.add(cancel);
    return cancel;
  }
  return {
    now: clock.now,
    after,
    yield: () => new Promise((resolve) => after(0, resolve)),
    stop() {
      stopped = true;
      for (const cancel of [...cancels]) cancel();
    },
  };
}
