import { expect, test } from 'vitest';
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../src/group/group-protocol.js';

test('a subscription says the same after a way through bytes', () => {
  const subscription = {
    topics: ['a', 'b'],
    owned: [
      { topic: 'a', partition: 0 },
      { topic: 'a', partition: 3 },
      { topic: 'b', partition: 1 },
    ],
    generation: 7,
  };
  expect(decodeSubscription(encodeSubscription(subscription))).toEqual(subscription);
});

test('is written as the Java client reads it', () => {
  const bytes = encodeSubscription({ topics: ['t'], owned: [{ topic: 't', partition: 5 }], generation: 2 });
  // Version 2, one topic "t", no user data, one topic with one partition, the generation.
  const expected = '0002 00000001 0001 74 ffffffff 00000001 0001 74 00000001 00000005 00000002';
  expect(bytes.toString('hex')).toBe(expected.replaceAll(' ', ''));
});

test('reads members that tell less: nothing of what they own, or their generation in the user data', () => {
  const version0 = Buffer.from('0000000000010001740000000000'.replaceAll(' ', ''), 'hex');
  expect(decodeSubscription(version0)).toEqual({ topics: ['t'], owned: [], generation: -1 });
  const version1 = Buffer.from('0001 00000001 0001 74 00000004 00000009 00000000'.replaceAll(' ', ''), 'hex');
  expect(decodeSubscription(version1)).toEqual({ topics: ['t'], owned: [], generation: 9 });
});

test('an assignment says the same after a way through bytes, and none at all is empty', () => {
  const partitions = [
    { topic: 'a', partition: 0 },
    { topic: 'b', partition: 2 },
  ];
  expect(decodeAssignment(encodeAssignment(partitions))).toEqual(partitions);
  expect(decodeAssignment(Buffer.alloc(0))).toEqual([]);
});
