import fc from 'fast-check';
import type { Value } from '../../src/message.js';

/** Values that come back from JSON as they are: no -0, and no integers that do not fit a number. */
export const jsonValues: fc.Arbitrary<Value> = fc
  .jsonValue()
  .map((value) => JSON.parse(JSON.stringify(value), (_name, field: Value) => (isLarge(field) ? 0 : field)) as Value);

function isLarge(value: Value): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value);
}
