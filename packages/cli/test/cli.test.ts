import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

test('the command starts where env takes the name of a program and nothing else, as in Alpine Linux', async () => {
  const text = await readFile(new URL('../src/cli.ts', import.meta.url), 'utf8');
  expect(text.split('\n')[0]).toBe('#!/usr/bin/env node');
});
