import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { behaviours } from '../src/conformance/behaviours.js';

const testkit = join(import.meta.dirname, '..');
const text = readFileSync(join(testkit, 'COVERAGE.md'), 'utf8').replaceAll(/\s+/g, ' ');

test('COVERAGE.md names behaviours that exist', () => {
  const titles = new Set(behaviours.map(({ title }) => title));
  const named = [...text.matchAll(/\*([^*]+)\*/g)].map(([, title]) => title ?? '');
  expect(named.length).toBeGreaterThan(50);
  expect(named.filter((title) => title !== 'in italics' && !titles.has(title))).toEqual([]);
});

test('COVERAGE.md names files that exist', () => {
  const named = [...text.matchAll(/`([^`]+\.ts)`/g)].map(([, path]) => path ?? '');
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter((path) => !existsSync(join(testkit, '..', path)))).toEqual([]);
});
