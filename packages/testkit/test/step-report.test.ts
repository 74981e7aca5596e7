import { expect, test } from 'vitest';
import { gapsOf, type Step, type StepRecord, stepTrack } from '../src/conformance/step-report.js';

let atMs = 0;

const begin = (step: Step): StepRecord => ({ type: 'begin', step, atMs: ++atMs, aimed: false });
const end = (step: Step): StepRecord => ({ type: 'end', step, atMs: ++atMs });

test('a run is between its steps, or in the step that began last', () => {
  const track = stepTrack();
  expect(track.before('open')).toBe('before open');
  for (const record of [begin('open'), end('open')]) track.follow(record);
  expect(track.before('claim')).toBe('between open and claim');
  expect(track.now()).toBe('after open');
  for (const record of [begin('write'), begin('commit')]) track.follow(record);
  expect(track.now()).toBe('in commit');
  track.follow(end('commit'));
  expect(track.now()).toBe('in write');
  expect(track.before('write')).toBe('in write');
});

test('the stretches of a run are told with how often it went through them and how long they took', () => {
  atMs = 0;
  const records = [
    ...[begin('open'), end('open')],
    ...[begin('write'), end('write'), begin('write'), end('write')],
    ...[begin('flush'), begin('commit'), end('commit'), end('flush')],
  ];
  expect(gapsOf(records)).toEqual([
    { name: 'before open', step: 'open', times: 1, typicalMs: 0 },
    { name: 'in open', step: 'open', times: 1, typicalMs: 1 },
    { name: 'between open and write', step: 'write', times: 1, typicalMs: 0 },
    { name: 'in write', step: 'write', times: 2, typicalMs: 1 },
    { name: 'between write and write', step: 'write', times: 1, typicalMs: 0 },
    { name: 'between write and flush', step: 'flush', times: 1, typicalMs: 0 },
    { name: 'in commit', step: 'commit', times: 1, typicalMs: 1 },
    { name: 'in flush', step: 'flush', times: 1, typicalMs: 3 },
  ]);
});
