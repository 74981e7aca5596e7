import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateLimit } from '../../src/engine/rate-limit.js';
import { virtualClock } from '../../src/testing/index.js';

describe('a rate limit', () => {
  it('lets the first go at once, has the next ones wait, and calls once when these may go', async () => {
    const clock = virtualClock(0);
    const called: number[] = [];
    const limit = new RateLimit(10, clock, () => called.push(clock.now()));
    expect(limit.waits()).toBe(false);
    limit.take(5);
    expect([limit.waits(), limit.waits()]).toEqual([true, true]);
    await clock.advance(499);
    expect([limit.waits(), called]).toEqual([true, []]);
    await clock.advance(1);
    expect([limit.waits(), called]).toEqual([false, [500]]);
  });

  it('never lets more go than one write above the rate, whoever asks when', async () => {
    const asked = fc.array(fc.record({ count: fc.integer({ min: 1, max: 50 }), waitMs: fc.nat(2000) }), {
      minLength: 1,
      maxLength: 50,
    });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 100 }), asked, async (rate, requests) => {
        const clock = virtualClock(0);
        const limit = new RateLimit(rate, clock, () => undefined);
        let sent = 0;
        for (const { count, waitMs } of requests) {
          await clock.advance(waitMs);
          if (limit.waits()) continue;
          expect(sent).toBeLessThanOrEqual((clock.now() / 1000) * rate + 1e-6);
          limit.take(count);
          sent += count;
        }
      }),
    );
  });
});
