import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeadLetterThreshold } from '../../src/engine/dead-letter.js';
import { ConnectorError } from '../../src/error.js';

const invalid = (reason: string): ConnectorError => new ConnectorError('message_invalid', reason);

describe('the threshold of dead letters', () => {
  it('is crossed by the first one above the share, with the most frequent reason', () => {
    const threshold = new DeadLetterThreshold(0.1, 1000);
    for (let count = 1; count <= 100; count++)
      expect(threshold.add(invalid(count % 4 === 0 ? 'rare' : 'frequent'), count)).toBeUndefined();
    expect(threshold.add(invalid('rare'), 101)).toBe('frequent');
  });

  it('forgets what lies behind the window', () => {
    const threshold = new DeadLetterThreshold(0.5, 10);
    for (let count = 0; count < 100; count++) {
      expect(threshold.add(invalid('bad'), count * 3)).toBeUndefined();
    }
  });

  it('counts nothing that is told when the latest messages have left it behind, and no message twice', () => {
    const threshold = new DeadLetterThreshold(0.5, 10);
    for (const at of [1000, 1001, 1002, 1003, 1004]) expect(threshold.add(invalid('bad'), at)).toBeUndefined();
    for (let at = 0; at < 995; at++) expect(threshold.add(invalid('late'), at)).toBeUndefined();
    for (let at = 1000; at < 1005; at++) expect(threshold.add(invalid('twice'), at)).toBeUndefined();
    expect(threshold.add(invalid('late'), 995)).toBe('bad');
  });

  it('is never crossed at a share of one', () => {
    const threshold = new DeadLetterThreshold(1, 10);
    for (let count = 0; count < 50; count++) {
      expect(threshold.add(invalid('bad'), count)).toBeUndefined();
    }
  });

  it('takes reasons that differ only in what they quote as one', () => {
    const threshold = new DeadLetterThreshold(0.4, 10);
    const reasons = ['line 1: "a" is bad', 'other', 'line 2: "b" is bad', 'another', 'line 3: "c" is bad'];
    expect(reasons.map((reason, at) => threshold.add(invalid(reason), at)).at(-1)).toBe('line 3: "c" is bad');
  });

  it('takes no longer for each when there are many', () => {
    const threshold = new DeadLetterThreshold(1, 1_000_000);
    const before = process.cpuUsage(); // not the time of day, which passes faster on a busy machine
    for (let count = 0; count < 200_000; count++) threshold.add(invalid(`line ${count}`), count);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(5000);
  });

  it('is crossed exactly when the window holds too many', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 200 }), fc.integer({ min: 1, max: 20 }), (bad, window) => {
        const threshold = new DeadLetterThreshold(0.3, window);
        bad.forEach((isBad, index) => {
          if (!isBad) return;
          const inWindow = bad.slice(Math.max(0, index + 1 - window), index + 1).filter(Boolean).length;
          expect(threshold.add(invalid('bad'), index) !== undefined).toBe(inWindow > 0.3 * window);
        });
      }),
    );
  });
});
