import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeadLetterThreshold } from '../../src/engine/dead-letter.js';
import { ConnectorError } from '../../src/error.js';

const invalid = (reason: string): ConnectorError => new ConnectorError('message_invalid', reason);

describe('the threshold of dead letters', () => {
  it('is crossed by the first one above the share, with the most frequent reason', () => {
    const threshold = new DeadLetterThreshold(0.1, 1000);
    threshold.saw(200);
    for (let count = 1; count <= 100; count++)
      expect(threshold.add(invalid(count % 4 === 0 ? 'rare' : 'frequent'))).toBeUndefined();
    expect(threshold.add(invalid('rare'))).toBe('frequent');
  });

  it('forgets what lies behind the window', () => {
    const threshold = new DeadLetterThreshold(0.5, 10);
    for (let count = 0; count < 100; count++) {
      threshold.saw(3);
      expect(threshold.add(invalid('bad'))).toBeUndefined();
    }
  });

  it('is never crossed at a share of one', () => {
    const threshold = new DeadLetterThreshold(1, 10);
    for (let count = 0; count < 50; count++) {
      threshold.saw(1);
      expect(threshold.add(invalid('bad'))).toBeUndefined();
    }
  });

  it('is crossed exactly when the window holds too many', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 200 }), fc.integer({ min: 1, max: 20 }), (bad, window) => {
        const threshold = new DeadLetterThreshold(0.3, window);
        bad.forEach((isBad, index) => {
          threshold.saw(1);
          if (!isBad) return;
          const inWindow = bad.slice(Math.max(0, index + 1 - window), index + 1).filter(Boolean).length;
          expect(threshold.add(invalid('bad')) !== undefined).toBe(inWindow > 0.3 * window);
        });
      }),
    );
  });
});
