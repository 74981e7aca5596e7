import { expect, test } from 'vitest';
import { benchOptions } from '../../src/bench/index.js';

const defaults = { messages: 1000, repeat: 5, partitions: 4 };

test('what is not said is as by default', () => {
  expect(benchOptions(defaults, [])).toEqual({ ...defaults, json: false });
  expect(benchOptions(defaults, ['--json', '--partitions', '2'])).toEqual({ ...defaults, partitions: 2, json: true });
});

test.each(['0', '-1', '1.5', 'many', ''])('"%s" is no number of messages', (text) => {
  expect(() => benchOptions(defaults, [`--messages=${text}`])).toThrow(`not "${text}"`);
});

test('an option that the benchmark does not have is refused', () => {
  expect(() => benchOptions({ messages: 1, repeat: 1 }, ['--partitions', '2'])).toThrow('--partitions');
});
