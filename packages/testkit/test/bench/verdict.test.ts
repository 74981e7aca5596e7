import { expect, test } from 'vitest';
import { verdictOf } from '../../src/bench/verdict.js';

const byHand = { messages: 1000, messagesPerSecond: 100_000, cpuMicroseconds: 10, peakMiB: 100 };

test.each([
  ['is as fast as asked', {}, { messagesPerSecond: 95_000 }, true],
  ['is slower', {}, { messagesPerSecond: 94_999 }, false],
  ['adds little to a program that needs little', { cpuMicroseconds: 1.9 }, { cpuMicroseconds: 1.99 }, true],
  ['adds more than that', { cpuMicroseconds: 1.9 }, { cpuMicroseconds: 2.1 }, false],
  ['adds little to a program that needs more', { cpuMicroseconds: 2 }, { cpuMicroseconds: 2 }, false],
  ['takes no more memory than it may', {}, { messagesPerSecond: 100_000, peakMiB: 196 }, true],
  ['takes more memory', {}, { messagesPerSecond: 100_000, peakMiB: 196.1 }, false],
])('a pipeline that %s is judged for it', (_what, ofByHand, ofPipeline, met) => {
  const slow = { ...byHand, messagesPerSecond: 50_000 };
  expect(verdictOf({ ...byHand, ...ofByHand }, { ...slow, ...ofPipeline }, 0.95).met).toBe(met);
});

test('a verdict says how far apart they are', () => {
  const pipeline = { messages: 1000, messagesPerSecond: 150_000, cpuMicroseconds: 7, peakMiB: 164 };
  expect(verdictOf(byHand, pipeline, 0.95)).toEqual({ ratio: 1.5, addedMicroseconds: -3, addedMiB: 64, met: true });
});
