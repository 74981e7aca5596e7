import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findRefused } from '../src/writing/find-refused.js';

/** A server that refuses some messages, and may tell which one it came to first. */
function server(count: number, bad: ReadonlySet<number>, tells: boolean) {
  const written: number[] = [];
  let attempts = 0;
  return {
    written,
    attempts: () => attempts,
    find: (maxFailures?: number) =>
      findRefused(
        count,
        async (from, to) => {
          attempts++;
          const part = Array.from({ length: to - from }, (_, index) => from + index);
          const refused = part.find((index) => bad.has(index));
          if (refused !== undefined) return { error: `bad ${refused}`, at: tells ? refused : undefined };
          written.push(...part);
          return undefined;
        },
        maxFailures,
      ),
  };
}

test('names every refused message and writes all others once, in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 60 }),
      fc.uniqueArray(fc.nat(59)),
      fc.boolean(),
      async (count, indexes, tells) => {
        const bad = new Set(indexes.filter((index) => index < count));
        const { find, written } = server(count, bad, tells);
        const failures = await find();
        expect(failures).toEqual([...bad].sort((a, b) => a - b).map((index) => ({ index, error: `bad ${index}` })));
        expect(written).toEqual(Array.from({ length: count }, (_, index) => index).filter((index) => !bad.has(index)));
      },
    ),
  );
});

test('needs about two attempts for each doubling of the batch, and three where the server tells', async () => {
  const silent = server(1024, new Set([777]), false);
  await silent.find();
  expect(silent.attempts()).toBeLessThanOrEqual(22);
  const telling = server(1024, new Set([777]), true);
  await telling.find();
  expect(telling.attempts()).toBe(3);
});

test('ends early when there are too many', async () => {
  const all = server(1000, new Set(Array.from({ length: 1000 }, (_, index) => index)), true);
  expect(await all.find(10)).toHaveLength(10);
  expect(all.attempts()).toBeLessThan(30);
});
