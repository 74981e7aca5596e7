import { describe, expect, test } from 'vitest';
import { canonicalTexts, type KeyType } from '../src/writing/key-spelling.js';

function isCanonical(baseType: string, text: string, more: Partial<KeyType> = {}): boolean {
  return canonicalTexts({ baseType, type: baseType, isArray: false, isDeterministic: true, ...more })(text);
}

describe('the server is not asked which keys are the same', () => {
  test.each([
    ['int8', '-9007199254740993'],
    ['int4', '0'],
    ['numeric', '12345678901234567890'],
    ['text', ' Any '],
    ['varchar', 'ab'],
    ['bool', 'true'],
    ['uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
    ['date', '2026-01-31'],
  ])('for a key of type %s like %j', (type, text) => {
    expect(isCanonical(type, text)).toBe(true);
  });

  test('for the time of a Date', () => {
    const type = 'timestamp with time zone';
    expect(isCanonical('timestamptz', new Date(0).toISOString(), { type })).toBe(true);
  });
});

describe('the server is asked which keys are the same', () => {
  test.each([
    ['int4', '01'],
    ['int4', '-0'],
    ['numeric', '1.0'],
    ['varchar', 'ab '],
    ['bpchar', 'ab '],
    ['bool', 't'],
    ['uuid', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'],
    ['uuid', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'],
    ['date', 'January 1, 2026'],
    ['citext', 'key'],
    ['float8', '1'],
  ])('for a key of type %s like %j', (type, text) => {
    expect(isCanonical(type, text)).toBe(false);
  });

  test('where the type rounds', () => {
    expect(isCanonical('numeric', '149', { type: 'numeric(3,-2)' })).toBe(false);
    expect(isCanonical('numeric', '149', { type: 'hundreds' })).toBe(false);
    const type = 'timestamp(0) with time zone';
    expect(isCanonical('timestamptz', new Date(0).toISOString(), { type })).toBe(false);
  });

  test('where a day has its end and its start twice', () => {
    const type = 'timestamp with time zone';
    expect(isCanonical('timestamptz', '2026-01-01T24:00:00.000Z', { type })).toBe(false);
  });

  test('where the collation takes different texts for equal, and for arrays', () => {
    expect(isCanonical('text', 'key', { isDeterministic: false })).toBe(false);
    expect(isCanonical('text', '{key}', { isArray: true })).toBe(false);
  });
});
