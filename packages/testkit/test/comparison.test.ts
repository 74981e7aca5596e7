import { describe, expect, test } from 'vitest';
import { expectMessages } from '../src/conformance/comparison.js';
import type { NativeMessage } from '../src/conformance/harness.js';

const message = (text: string, rest: Partial<NativeMessage> = {}): NativeMessage => ({
  payload: Buffer.from(text),
  ...rest,
});
const [a, b, c] = [message('a'), message('b'), message('c')];
const what = 'what came';

describe('comparing messages', () => {
  test('passes the same messages in the same order', () => {
    expect(() => expectMessages([a, b, c], [a, b, c], { what })).not.toThrow();
  });

  test('says what is missing', () => {
    expect(() => expectMessages([a, c], [a, b, c], { what })).toThrow(
      /2 messages instead of 3; 1 missing, first .*"b"/,
    );
  });

  test('says what came again, unless that is allowed', () => {
    expect(() => expectMessages([a, a, b], [a, b], { what })).toThrow(/1 repeated, first .*"a"/);
    expect(() => expectMessages([a, b, a], [a, b], { what, repeats: true })).not.toThrow();
  });

  test('says what nobody sent', () => {
    expect(() => expectMessages([a, c], [a, b], { what })).toThrow(/1 that nobody sent, first .*"c"/);
  });

  test('says where the order breaks, unless there is none', () => {
    expect(() => expectMessages([b, a], [a, b], { what })).toThrow(/out of order at index 0/);
    expect(() => expectMessages([b, a], [a, b], { what, anyOrder: true })).not.toThrow();
  });

  test('tells null from no bytes, and messages apart by key, headers and time', () => {
    const pairs: readonly (readonly [NativeMessage, NativeMessage])[] = [
      [{ payload: null }, { payload: new Uint8Array() }],
      [message('x', { key: Buffer.from('1') }), message('x', { key: Buffer.from('2') })],
      [message('x', { headers: [['n', Buffer.from('1')]] }), message('x', { headers: [['n', Buffer.from('2')]] })],
      [message('x', { timestamp: 1 }), message('x', { timestamp: 2 })],
    ];
    for (const [left, right] of pairs) expect(() => expectMessages([left], [right], { what })).toThrow(what);
  });

  test('tells long payloads apart that begin alike', () => {
    const long = 'x'.repeat(1000);
    expect(() => expectMessages([message(`${long}1`)], [message(`${long}2`)], { what })).toThrow(/1001 bytes/);
  });
});
