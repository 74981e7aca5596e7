import type { Clock } from '../clock.js';

/** Time that stands still until a test moves it. The same program takes the same steps in every run. */
export interface VirtualClock extends Clock {
  /** Lets `ms` milliseconds pass and calls what is due in between, in order. `advance(0)` does what needs no time. */
  advance(ms: number): Promise<void>;
  /**
   * Lets time pass, jumping from one timer to the next, until `condition` holds. It is asked whenever nothing more happens
   * without time.
   *
   * @throws {Error} when `limitMs` (default: one day) is over, and when the condition does not hold though nothing is left that
   * could happen
   */
  run(condition: () => boolean, limitMs?: number): Promise<void>;
  /** As `run`, until the promise has settled. Returns or throws what the promise does. */
  settle<T>(promise: Promise<T>, limitMs?: number): Promise<T>;
}

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

const dayMs = 86_400_000;
/** So many callbacks at one instant are a loop that never waits. */
const maxCallbacksPerInstant = 100_000;

/** Makes a clock that starts at `startMs` (default: some day in 2026, so that times look like times). */
export function virtualClock(startMs = 1_800_000_000_000): VirtualClock {
  let time = startMs;
  let callbacksNow = 0;
  /** By time, and in the order of asking where the time is the same. */
  const timers: Timer[] = [];

  function after(ms: number, callback: () => void): () => void {
    const timer = { at: time + Math.max(0, ms), callback };
    let index = timers.length;
    while (index > 0 && (timers[index - 1]?.at ?? 0) > timer.at) index -= 1;
    timers.splice(index, 0, timer);
    return () => {
      const found = timers.indexOf(timer);
      if (found >= 0) timers.splice(found, 1);
    };
  }

  function fireNext(limit: number): boolean {
    const timer = timers[0];
    if (timer === undefined || timer.at > limit) return false;
    timers.shift();
    callbacksNow = timer.at > time ? 0 : callbacksNow + 1;
    if (callbacksNow > maxCallbacksPerInstant)
      throw new Error(`time stands still at ${time}: something loops without waiting`);
    time = timer.at;
    timer.callback();
    return true;
  }

  async function run(condition: () => boolean, limitMs = dayMs): Promise<void> {
    const limit = time + limitMs;
    for (;;) {
      await quiet();
      if (condition()) return;
      if (fireNext(limit)) continue;
      const reason = timers.length === 0 ? 'nothing is left that could happen' : `${limitMs} ms have passed`;
      throw new Error(`the condition does not hold at ${time} and ${reason}`);
    }
  }

  return {
    now: () => time,
    after,
    yield: () => new Promise((resolve) => after(0, resolve)),
    run,
    async advance(ms) {
      const end = time + ms;
      do await quiet();
      while (fireNext(end));
      time = end;
    },
    async settle(promise, limitMs) {
      let settled = false;
      const mark = (): void => {
        settled = true;
      };
      promise.then(mark, mark);
      await run(() => settled, limitMs);
      return await promise;
    },
  };
}

/** Resolves when no promise is left to go on. An immediate runs after all of them, and costs about a microsecond. */
function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
