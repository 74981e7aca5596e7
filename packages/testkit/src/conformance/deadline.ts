import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';

/**
 * The promise's value, if it settles in time.
 *
 * @throws {Error} that names what did not happen
 */
export async function within<T>(ms: number, promise: Promise<T>, what: string): Promise<T> {
  const timer = Promise.withResolvers<never>();
  const handle = setTimeout(() => timer.reject(new Error(`${what}: nothing came of it within ${ms} ms`)), ms);
  try {
    return await Promise.race([promise, timer.promise]);
  } finally {
    clearTimeout(handle);
  }
}

/**
 * Resolves when the condition holds, with what it returned; asks again and again.
 *
 * @throws {Error} that names what did not become true in time, and the last reason when the condition threw
 */
export async function until<T>(ms: number, condition: () => T | Promise<T>, what: string): Promise<NonNullable<T>> {
  const end = performance.now() + ms;
  for (;;) {
    const { value, reason } = await ask(condition);
    if (value !== undefined && value !== null && value !== false) return value;
    if (performance.now() >= end) {
      const why = reason === undefined ? '' : `: ${reason instanceof Error ? reason.message : inspect(reason)}`;
      throw new Error(`${what}: not so after ${ms} ms${why}`, { cause: reason });
    }
    await delay(5);
  }
}

async function ask<T>(condition: () => T | Promise<T>): Promise<{ value?: T; reason?: unknown }> {
  try {
    return { value: await condition() };
  } catch (reason) {
    return { reason };
  }
}
