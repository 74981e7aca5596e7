import { noHeaders } from '@sluice/core/driver';
import { expect, test } from 'vitest';
import { oldMessage } from '../src/message.js';

const bytes = Buffer.from('x');

test('the record of a format without headers becomes a message of the same shape', () => {
  const record = { offset: '7', timestamp: '5', key: null, value: bytes };
  expect(oldMessage(record, 'topic')).toMatchObject({ topic: 'topic', key: null, payload: bytes, timestamp: 5 });
  expect(oldMessage(record, 'topic').headers).toBe(noHeaders);
});

test('a record without a time, in a format that has none or of a producer that gave none, has no time', () => {
  const record = { offset: '7', key: bytes, value: null };
  expect(oldMessage(record, 'topic').timestamp).toBeUndefined();
  expect(oldMessage({ ...record, timestamp: '-1' }, 'topic').timestamp).toBeUndefined();
});
