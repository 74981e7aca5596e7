import { describe, expect, it } from 'vitest';
import { virtualClock } from '../../src/testing/index.js';

describe('virtual clock', () => {
  it('calls timers in the order of their times, and of asking where these are the same', async () => {
    const clock = virtualClock(0);
    const calls: string[] = [];
    clock.after(20, () => calls.push('c'));
    clock.after(10, () => calls.push('a'));
    clock.after(10, () => calls.push('b'));
    await clock.advance(10);
    expect(calls).toEqual(['a', 'b']);
    await clock.advance(10);
    expect(calls).toEqual(['a', 'b', 'c']);
    expect(clock.now()).toBe(20);
  });

  it('shows a timer the time at which it was due', async () => {
    const clock = virtualClock(0);
    const times: number[] = [];
    clock.after(5, () => {
      times.push(clock.now());
      clock.after(5, () => times.push(clock.now()));
    });
    await clock.advance(100);
    expect(times).toEqual([5, 10]);
    expect(clock.now()).toBe(100);
  });

  it('does not call a timer that was cancelled', async () => {
    const clock = virtualClock(0);
    const calls: string[] = [];
    const cancel = clock.after(10, () => calls.push('a'));
    cancel();
    await clock.advance(20);
    expect(calls).toEqual([]);
  });

  it('lets every promise go on before time passes', async () => {
    const clock = virtualClock(0);
    let finishedAt = -1;
    async function work(): Promise<void> {
      for (let step = 0; step < 1000; step += 1) await Promise.resolve();
      finishedAt = clock.now();
    }
    clock.after(1, () => {});
    const done = work();
    await clock.settle(done);
    expect(finishedAt).toBe(0);
  });

  it('lets everything else that is due run before a yield resolves', async () => {
    const clock = virtualClock(0);
    const calls: string[] = [];
    clock.after(0, () => calls.push('timer'));
    await clock.settle(clock.yield().then(() => calls.push('yield')));
    expect(calls).toEqual(['timer', 'yield']);
    expect(clock.now()).toBe(0);
  });

  it('jumps over a day in no time', async () => {
    const clock = virtualClock(0);
    let done = false;
    clock.after(80_000_000, () => {
      done = true;
    });
    await clock.run(() => done);
    expect(clock.now()).toBe(80_000_000);
  });

  it('says so when nothing is left that could make the condition hold', async () => {
    await expect(virtualClock(0).run(() => false)).rejects.toThrow('nothing is left that could happen');
  });

  it('says so when the time limit is over', async () => {
    const clock = virtualClock(0);
    const again = (): void => {
      clock.after(10, again);
    };
    again();
    await expect(clock.run(() => false, 1000)).rejects.toThrow('1000 ms have passed');
    expect(clock.now()).toBe(1000);
  });

  it('throws what the promise throws that it settles', async () => {
    const clock = virtualClock(0);
    const failing = new Promise((_, reject) => clock.after(10, () => reject(new Error('no'))));
    await expect(clock.settle(failing)).rejects.toThrow('no');
  });
});
