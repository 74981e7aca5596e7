import type { SourceBatch } from '@sluice/core/driver';
import { describe, expect, test } from 'vitest';
import { GenerateSourceConfig } from '../src/generate/config.js';
import { openGenerateSource } from '../src/generate/source.js';

async function read(raw: object, position?: number, maxMessages = 7): Promise<readonly SourceBatch[]> {
  const source = openGenerateSource(GenerateSourceConfig.parse(raw));
  const options = { maxMessages, maxBytes: 1_000_000, signal: new AbortController().signal };
  return await all(source.read('', position, options));
}

async function all<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const textsOf = (batches: readonly SourceBatch[]) =>
  batches.flatMap(({ messages }) => messages.map(({ payload }) => Buffer.from(payload as Uint8Array).toString()));

describe('generate', () => {
  test('makes as many messages as asked for, in batches of the size asked for', async () => {
    const batches = await read({ count: 20, size: 10 });
    expect(batches.map(({ messages }) => messages.length)).toEqual([7, 7, 6]);
    expect(batches.map(({ lag }) => lag)).toEqual([13, 6, 0]);
    expect(textsOf(batches).every((text) => /^[A-Za-z0-9]{10}$/.test(text))).toBe(true);
  });

  test('makes the same messages with the same seed, and others with another', async () => {
    const [one, same, other] = await Promise.all([1, 1, 2].map((seed) => read({ count: 50, seed })));
    expect(textsOf(one ?? [])).toEqual(textsOf(same ?? []));
    expect(textsOf(one ?? [])).not.toEqual(textsOf(other ?? []));
    expect(new Set(textsOf(one ?? [])).size).toBe(50);
  });

  test('goes on after a position with the messages that it would have made', async () => {
    const template = '{"id": {index}, "c": {random:10:30}, "r": {random}}';
    const texts = textsOf(await read({ count: 20, template }));
    const [first] = await read({ count: 20, template });
    expect(textsOf(await read({ count: 20, template }, first?.positionAt?.(2) as number))).toEqual(texts.slice(3));
    expect(await read({ count: 20, template }, 20)).toEqual([]);
    for (const [index, text] of texts.entries()) {
      const { id, c, r } = JSON.parse(text) as { id: number; c: number; r: number };
      expect(id).toBe(index);
      expect(c).toBeGreaterThanOrEqual(10);
      expect(c).toBeLessThanOrEqual(30);
      expect(r).toBeLessThan(1);
    }
  });

  test('spreads messages over time at the rate asked for', async () => {
    const startedAt = performance.now();
    await read({ count: 50, rate: 500 });
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(90);
  });

  test('ends within a tick when it is aborted while it waits', async () => {
    const source = openGenerateSource(GenerateSourceConfig.parse({ rate: 0.001 }));
    const abort = new AbortController();
    const reading = all(source.read('', undefined, { maxMessages: 1, maxBytes: 1, signal: abort.signal }));
    abort.abort();
    await expect(reading).resolves.toEqual([]);
  });

  test('refuses a placeholder that it does not know, and takes the braces of JSON as text', () => {
    expect(GenerateSourceConfig.safeParse({ template: '{"a": {indx}}' }).success).toBe(false);
    expect(GenerateSourceConfig.safeParse({ template: '{"a": {"b": 1}}' }).success).toBe(true);
  });

  test('refuses a position that is not the index of a message', async () => {
    await expect(read({ count: 1 }, -1)).rejects.toMatchObject({ code: 'position_lost' });
  });
});
