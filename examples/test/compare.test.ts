import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Comparison, compareLines } from '#demo/compare';

const order = (number: number): string => `{"order":${number},"item":"nut","quantity":2,"priceCents":${number}}`;
const done = (number: number): string => order(number).replace('}', `,"totalCents":${number * 2}}`);

async function compare(output: readonly string[]): Promise<Comparison> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-compare-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const [inputFile, outputFile] = [join(folder, 'input'), join(folder, 'output')];
  await writeFile(inputFile, [1, 2, 3, 4].map((number) => `${order(number)}\n`).join(''));
  await writeFile(outputFile, output.join('\n'));
  return await compareLines(inputFile, outputFile);
}

const same = { linesIn: 4, linesOut: 4, lost: 0, duplicated: 0, reordered: 0, wrong: 0 };

test('an output that is what it should be has no differences', async () => {
  expect(await compare([...[1, 2, 3, 4].map(done), ''])).toEqual(same);
});

test('a line that is missing is lost', async () => {
  expect(await compare([1, 2, 4].map(done))).toEqual({ ...same, linesOut: 3, lost: 1 });
});

test('lines that come again, next to each other or later, are duplicated and not reordered', async () => {
  expect(await compare([1, 2, 2, 3, 1, 4].map(done))).toEqual({ ...same, linesOut: 6, duplicated: 2 });
});

test('a line that comes after a later one is reordered', async () => {
  expect(await compare([1, 3, 2, 4].map(done))).toEqual({ ...same, reordered: 1 });
});

test('a line that was cut off or changed is wrong, and its order lost', async () => {
  const changed = done(3).replace('"totalCents":6', '"totalCents":7');
  expect(await compare([done(1), done(2), changed, done(4).slice(0, -3)])).toEqual({ ...same, lost: 2, wrong: 2 });
});
