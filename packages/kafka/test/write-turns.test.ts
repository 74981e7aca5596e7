import { describe, expect, it } from 'vitest';
import { WriteTurns } from '../src/writing/write-turns.js';

describe('turns', () => {
  it('begin in the order in which they were asked for, whichever is prepared first', async () => {
    const turns = new WriteTurns();
    const begun: string[] = [];
    const slow = Promise.withResolvers<string>();
    const begin = async (name: string): Promise<void> => void begun.push(name);
    const first = turns.run(() => slow.promise, begin);
    const second = turns.run(async () => 'second', begin);
    slow.resolve('first');
    await Promise.all([first, second]);
    expect(begun).toEqual(['first', 'second']);
  });

  it('do not wait for what another has begun to end', async () => {
    const turns = new WriteTurns();
    const endless = turns.run(
      async () => 1,
      () => new Promise<number>(() => undefined),
    );
    expect(
      await turns.run(
        async () => 2,
        async (value) => value,
      ),
    ).toBe(2);
    expect(endless).toBeInstanceOf(Promise);
  });

  it('fail with one before them that could not be prepared, and those after them do not', async () => {
    const turns = new WriteTurns();
    const begin = async (value: number): Promise<number> => value;
    const broken = turns.run<number, number>(() => Promise.reject(new Error('no metadata')), begin);
    const behind = turns.run(async () => 2, begin);
    await expect(broken).rejects.toThrow('no metadata');
    await expect(behind).rejects.toMatchObject({ code: 'conflict' });
    expect(await turns.run(async () => 3, begin)).toBe(3);
  });
});
