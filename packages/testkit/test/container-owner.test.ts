import { expect, test } from 'vitest';
import { ownerIsGone, ownerLabels } from '../src/container-owner.js';

const own = ownerLabels(process.pid);

test('a process that lives is not gone', () => {
  expect(ownerIsGone(own)).toBe(false);
  // The first process of the machine, which this one may not be allowed to signal.
  expect(ownerIsGone(ownerLabels(1))).toBe(false);
});

test('a process is gone whose number is free, or belongs to a later process', () => {
  const [host = '', pid = '', started = ''] = Object.keys(own);
  expect(ownerIsGone({ ...own, [pid]: '4194305' })).toBe(true); // above the highest number that Linux gives
  expect(ownerIsGone({ ...own, [started]: 'another boot/1' })).toBe(true);
  expect(ownerIsGone({ ...own, [host]: 'another-machine', [started]: 'another boot/1' })).toBe(false);
});

test('of a container without an owner nothing is known', () => {
  expect(ownerIsGone({})).toBe(false);
});
