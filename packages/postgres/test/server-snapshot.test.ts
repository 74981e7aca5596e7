import { assert, bigInt, integer, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSnapshot, sees, seesNothing } from '../src/snapshot/server-snapshot.js';

const low = (id: bigint): number => Number(id & 0xffff_ffffn);

describe('sees', () => {
  it('sees what had ended before, and nothing that was under way or came later', () => {
    const snapshot = parseSnapshot('100:110:100,104');
    const seen = [99, 100, 101, 103, 104, 105, 109, 110, 111].filter((id) => sees(snapshot, id));
    expect(seen).toEqual([99, 101, 103, 105, 109]);
  });

  it('knows a snapshot in which nothing was under way, and one that sees nothing', () => {
    const snapshot = parseSnapshot('100:100:');
    expect([sees(snapshot, 99), sees(snapshot, 100)]).toEqual([true, false]);
    expect(sees(parseSnapshot(seesNothing), 3)).toBe(false);
  });

  it('sees the same wherever the lower 32 bits of the number begin anew', () => {
    const xmax = bigInt({ min: 2n ** 31n, max: 2n ** 63n });
    const span = integer({ min: 0, max: 2 ** 31 - 1 });
    assert(
      property(xmax, integer({ min: 0, max: 1000 }), span, span, (to, width, behind, ahead) => {
        const snapshot = { xmin: to - BigInt(width), xmax: to, running: new Set([to - BigInt(width)]) };
        const before = to - BigInt(behind);
        const expected = before < snapshot.xmin || (before < to && before !== snapshot.xmin);
        expect(sees(snapshot, low(before))).toBe(expected);
        expect(sees(snapshot, low(to + BigInt(ahead)))).toBe(false);
      }),
    );
  });
});
