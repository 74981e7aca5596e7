import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AckTracker, type Finished, type Tracked } from '../../src/engine/ack-tracker.js';

const entry = (position: number, pending = 1): Tracked => ({ pending, count: 1, bytes: 10, position });

function take(tracker: AckTracker<Tracked>): Finished | undefined {
  tracker.advance();
  return tracker.take();
}

function sumOf(entries: readonly Tracked[]): Finished | undefined {
  const position = entries.at(-1)?.position;
  const sum = (of: 'count' | 'bytes'): number => entries.reduce((total, each) => total + each[of], 0);
  return position === undefined ? undefined : { position, count: sum('count'), bytes: sum('bytes') };
}

describe('an ack tracker', () => {
  it('takes nothing while the first entry is unfinished', () => {
    const tracker = new AckTracker<Tracked>();
    tracker.add(entry(1));
    tracker.add(entry(2, 0));
    expect(take(tracker)).toBeUndefined();
    expect(tracker.finished).toBe(false);
  });

  it('takes the longest finished prefix, once', () => {
    const tracker = new AckTracker<Tracked>();
    for (const pending of [0, 0, 1, 0]) tracker.add(entry(tracker.empty ? 1 : 2, pending));
    expect(take(tracker)).toEqual({ position: 2, count: 2, bytes: 20 });
    expect(take(tracker)).toBeUndefined();
  });

  it('lets finished entries go at once, and keeps their sums until they are taken', () => {
    const tracker = new AckTracker<Tracked>();
    const entries = [entry(1, 0), { ...entry(2, 0), count: 3 }, entry(3)];
    for (const each of entries) tracker.add(each);
    expect(tracker.advance()).toBe(4);
    expect(tracker.advance()).toBe(0);
    expect(tracker.empty).toBe(false);
    for (const each of entries) each.pending = 0;
    expect(tracker.advance()).toBe(1);
    expect(tracker.empty).toBe(false);
    expect(tracker.take()).toEqual({ position: 3, count: 5, bytes: 30 });
    expect(tracker.empty).toBe(true);
  });

  it('lets the finished beginning of an entry be taken before its rest', () => {
    const tracker = new AckTracker<Tracked>();
    const whole = { ...entry(10), count: 5 };
    tracker.add(whole);
    tracker.insertBefore(whole, { ...entry(4, 0), count: 2, bytes: 0 });
    whole.count -= 2;
    expect(take(tracker)).toEqual({ position: 4, count: 2, bytes: 0 });
    whole.pending = 0;
    expect(take(tracker)).toEqual({ position: 10, count: 3, bytes: 10 });
    expect(tracker.empty).toBe(true);
  });

  it('does what a list of flags does, whatever finishes in whatever order', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant('add' as const) },
      { weight: 4, arbitrary: fc.nat().map((pick) => ({ pick })) },
      { weight: 2, arbitrary: fc.constant('take' as const) },
      { weight: 2, arbitrary: fc.constant('advance' as const) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 3000 }), (steps) => {
        const tracker = new AckTracker<Tracked>();
        const all: Tracked[] = [];
        let taken = 0;
        for (const what of steps) {
          if (what === 'add') {
            const added = { pending: 1, count: 1 + (all.length % 3), bytes: all.length, position: all.length };
            all.push(added);
            tracker.add(added);
          } else if (what === 'advance') tracker.advance();
          else if (what === 'take') {
            let end = taken;
            while (all[end]?.pending === 0) end++;
            expect(take(tracker)).toEqual(sumOf(all.slice(taken, end)));
            taken = end;
          } else {
            const open = all.filter(({ pending }) => pending > 0);
            const one = open[what.pick % Math.max(1, open.length)];
            if (one !== undefined) one.pending = 0;
          }
          expect(tracker.empty).toBe(taken === all.length);
          expect(tracker.finished).toBe(all.every(({ pending }) => pending === 0));
        }
      }),
      { numRuns: 60 },
    );
  });
});
