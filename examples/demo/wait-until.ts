import { setTimeout as wait } from 'node:timers/promises';

/** What is waited for, and how. */
export interface Wait {
  /** For the error: `the pipeline receives`. */
  readonly what: string;
  readonly limitMs: number;
  readonly everyMs: number;
}

/**
 * Resolves once `condition` gives something.
 *
 * @throws {Error} when that takes longer than the limit
 */
export async function waitUntil<T>(
  { what, limitMs, everyMs }: Wait,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const limit = performance.now() + limitMs;
  for (;;) {
    const found = await condition();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > limit) throw new Error(`waited ${limitMs / 1000} s in vain until ${what}`);
    await wait(everyMs);
  }
}
