import { expect, test } from 'vitest';
import { RecordCursor } from '../src/records/record-cursor.js';

/** Zigzag as Kafka writes it. */
function varlong(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return [...bytes, Number(rest)];
}

test.for([0n, 1n, -1n, 63n, -64n, 64n, 300n, -2147483648n, 2147483647n, 1_700_000_000_000n, -(2n ** 52n)])(
  'reads the number %s',
  (value) => {
    const small = BigInt.asIntN(32, value);
    const cursor = new RecordCursor(Buffer.from([...varlong(5n), 0, ...varlong(value), ...varlong(small)]));
    cursor.beginRecord();
    expect(cursor.timestampDelta).toBe(Number(value));
    expect(cursor.offsetDelta).toBe(Number(small));
  },
);

test('tells null from empty', () => {
  const cursor = new RecordCursor(Buffer.from([...varlong(-1n), ...varlong(0n), ...varlong(2n), 7, 8]));
  expect(cursor.nullableBytes()).toBeNull();
  expect(cursor.nullableBytes()).toEqual(Buffer.alloc(0));
  expect(cursor.nullableBytes()).toEqual(Buffer.from([7, 8]));
});

test('refuses what is cut off instead of making something up', () => {
  expect(() => new RecordCursor(Buffer.from([...varlong(9n), 1])).nullableBytes()).toThrow(RangeError);
  expect(() => new RecordCursor(Buffer.from([0x80])).nullableBytes()).toThrow(RangeError);
  expect(() => new RecordCursor(Buffer.from([...varlong(9n), 65])).text()).toThrow(RangeError);
});
