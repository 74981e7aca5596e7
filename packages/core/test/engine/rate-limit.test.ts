import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateLimit } from '../../src/engine/rate-limit.js';

describe('a rate limit', () => {
  it('lets the first go at once and spreads the next ones', () => {
    const limit = new RateLimit(10);
    expect([limit.reserve(5, 1000), limit.reserve(1, 1000), limit.reserve(1, 1100), limit.reserve(1, 5000)]).toEqual([
      0, 500, 500, 0,
    ]);
  });

  it('never lets more go than one reservation above the rate, whoever asks when', () => {
    const asked = fc.array(fc.record({ count: fc.integer({ min: 1, max: 50 }), waitMs: fc.nat(2000) }), {
      minLength: 1,
      maxLength: 50,
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), asked, (rate, requests) => {
        const limit = new RateLimit(rate);
        let now = 0;
        let sent = 0;
        for (const { count, waitMs } of requests) {
          now += waitMs;
          const at = now + limit.reserve(count, now);
          expect(sent).toBeLessThanOrEqual((at / 1000) * rate + 1e-6);
          sent += count;
          now = at;
        }
      }),
    );
  });
});
