import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createFraming, FramingConfig, SinkFramingConfig } from '../../src/framing/framings.js';

describe('the framing field of a config', () => {
  it.each(['lines', 'csv', 'length-prefixed', 'whole'] as const)(
    'takes %s as a name and as an object, with the same defaults',
    (name) => {
      expect(FramingConfig.parse(name)).toBe(name);
      expect(createFraming(FramingConfig.parse(name)).name).toBe(name);
      expect(createFraming(FramingConfig.parse({ type: name })).name).toBe(name);
    },
  );

  it('fills in defaults', () => {
    expect(FramingConfig.parse({ type: 'lines' })).toEqual({
      type: 'lines',
      newline: 'auto',
      skipEmpty: false,
      maxMessageBytes: 16_777_216,
    });
    expect(FramingConfig.parse({ type: 'whole' })).toEqual({ type: 'whole', maxMessageBytes: 67_108_864 });
  });

  it.each([
    ['an unknown name', 'words'],
    ['an unknown type', { type: 'words' }],
    ['an unknown option', { type: 'lines', delimiter: ';' }],
    ['a limit of nothing', { type: 'lines', maxMessageBytes: 0 }],
    ['a delimiter of two characters', { type: 'csv', delimiter: '||' }],
    ['a delimiter of several bytes', { type: 'csv', delimiter: '§' }],
    ['a newline as delimiter', { type: 'csv', delimiter: '\n' }],
    ['the same delimiter and quote', { type: 'csv', delimiter: "'", quote: "'" }],
    ['neither header nor columns', { type: 'csv', header: false }],
    ['a column twice', { type: 'csv', columns: ['a', 'a'] }],
    ['a length of three bytes', { type: 'length-prefixed', lengthBytes: 3 }],
  ])('refuses %s', (_what, config) => {
    expect(FramingConfig.safeParse(config).success).toBe(false);
  });

  it('refuses to write csv without a list of columns', () => {
    expect(SinkFramingConfig.safeParse('csv').success).toBe(false);
    expect(SinkFramingConfig.safeParse({ type: 'csv' }).success).toBe(false);
    expect(SinkFramingConfig.safeParse({ type: 'csv', columns: ['a'] }).success).toBe(true);
    expect(SinkFramingConfig.safeParse('lines').success).toBe(true);
  });

  it('describes every option in its JSON Schema', () => {
    const schema = JSON.stringify(z.toJSONSchema(FramingConfig, { io: 'input' }));
    const described = schema.match(/"description":/g)?.length;
    // One for the field itself, and one for each option of the four types.
    expect(described).toBe(1 + 4 + 7 + 4 + 2);
  });
});
