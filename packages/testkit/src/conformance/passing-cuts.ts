import { setTimeout as delay } from 'node:timers/promises';
import type { Trial } from './trial.js';

/** Cuts of the network that pass by themselves. */
export interface PassingCuts {
  readonly count: number;
  /** Cuts every connection; new ones are let through again a little later. */
  cut(): Promise<void>;
  /** Resolves when the last cut has passed. */
  over(): Promise<unknown>;
}

/** Longer than a client needs to notice, so that its first attempt to connect again fails, too. */
const cutMs = 30;

/** No cut yet. */
export function passingCuts({ faults }: Trial): PassingCuts {
  const passing: Promise<void>[] = [];
  return {
    get count() {
      return passing.length;
    },
    async cut() {
      const cutNow = faults.cut();
      passing.push(cutNow.then(() => delay(cutMs)).then(faults.restore));
      await cutNow;
    },
    over: () => Promise.all(passing),
  };
}
