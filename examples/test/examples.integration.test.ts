import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { startPipeline, startProgram } from '#demo/started-process';
import { waitUntil } from '#demo/wait-until';
import { exampleFile, makeFolder, program, sluice } from './run-to-end.js';

const linesIn = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '');
const linesOf = (path: string): readonly string[] => (existsSync(path) ? linesIn(readFileSync(path, 'utf8')) : []);
const valuesOf = (path: string): readonly unknown[] => linesOf(path).map((line) => JSON.parse(line) as unknown);

const withTotals = [
  { order: 1, item: 'bolt', quantity: 200, priceCents: 12, totalCents: 2400 },
  { order: 2, item: 'nut', quantity: 200, priceCents: 8, totalCents: 1600 },
  { order: 3, item: 'drill', quantity: 1, priceCents: 12_900, totalCents: 12_900 },
  { order: 4, item: 'saw', quantity: 2, priceCents: 3450, totalCents: 6900 },
  { order: 5, item: 'bench', quantity: 1, priceCents: 48_900, totalCents: 48_900 },
  { order: 6, item: 'glue', quantity: 12, priceCents: 595, totalCents: 7140 },
];

test('copy.yaml adds the total to each order, and adds nothing when it is run again', async () => {
  const folder = await makeFolder();
  for (const run of ['first', 'second']) {
    expect(await sluice(folder, ['run', exampleFile('copy.yaml')]), run).toMatchObject({ code: 0, stdout: '' });
    expect(valuesOf(join(folder, 'out/orders-with-total.ndjson')), run).toEqual(withTotals);
  }
});

test('copy.toml does the same, and writes where the variable says', async () => {
  const folder = await makeFolder();
  expect(await sluice(folder, ['run', exampleFile('copy.toml')], { OUT: 'elsewhere' })).toMatchObject({ code: 0 });
  expect(valuesOf(join(folder, 'elsewhere/orders-toml.ndjson'))).toEqual(withTotals);
});

test('fan-out.yaml archives all orders, lists the large ones, and keeps those that make no sense as dead letters', async () => {
  const folder = await makeFolder();
  expect(await sluice(folder, ['run', exampleFile('fan-out.yaml')])).toMatchObject({ code: 0 });

  const archive = gunzipSync(readFileSync(join(folder, 'out/archive.ndjson.gz'))).toString();
  expect(linesIn(archive).map((line) => (JSON.parse(line) as { order: number }).order)).toEqual([1, 2, 4, 6]);
  expect(linesOf(join(folder, 'out/large-orders.csv'))).toEqual([
    'order,item,totalCents',
    '2,"nut, brass",16000',
    '4,drill,12900',
    '6,bench,48900',
  ]);
  expect(valuesOf(join(folder, 'out/dead-orders.ndjson'))).toMatchObject([
    { code: 'message_invalid', message: { payload: { text: 'this line is not JSON' } } },
    { code: 'message_invalid', message: { payload: { text: '{"order":5,"item":"saw","priceCents":3450}' } } },
  ]);

  const listed = await sluice(folder, ['dead-letters', 'list', exampleFile('fan-out.yaml')]);
  expect(listed.stdout).toContain('It begins "this line is not JSON"');
  expect(listed.stdout).toContain('the order has no quantity and priceCents that are whole numbers');
});

test('warm-rooms.ts keeps the rows of the CSV file that are above 20 degrees', async () => {
  const folder = await makeFolder();
  expect(await sluice(folder, ['run', exampleFile('warm-rooms.ts')])).toMatchObject({ code: 0 });
  expect(valuesOf(join(folder, 'out/warm-rooms.ndjson'))).toEqual([
    { room: 'kitchen', celsius: 21.4 },
    { room: 'kitchen', celsius: 22.8 },
  ]);
});

test('ten-lines.ts says what it promises, and converts every line', async () => {
  const folder = await makeFolder();
  const { code, stdout } = await program(folder, 'ten-lines.ts');
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^effectively once, ordered.*\n4 lines written\n$/),
  });
  expect(linesOf(join(folder, 'out/celsius.txt'))).toEqual(['22.5', '9.1', '-40', '232.8']);
});

test('read-without-pipeline.ts counts what it reads, and a second run finds nothing new', async () => {
  const folder = await makeFolder();
  expect(await program(folder, 'read-without-pipeline.ts')).toMatchObject({
    code: 0,
    stdout: '416 pieces were ordered\n',
  });
  expect(await program(folder, 'read-without-pipeline.ts')).toMatchObject({
    code: 0,
    stdout: '0 pieces were ordered\n',
  });
});

test('write-without-pipeline.ts stores all messages but the one that is two lines, and says which and why', async () => {
  const folder = await makeFolder();
  const { code, stdout } = await program(folder, 'write-without-pipeline.ts');
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^message 1 was refused: .*newline/) });
  expect(linesOf(join(folder, 'out/notes.ndjson'))).toEqual([
    '{"note":"water the plants"}',
    '"a text is JSON, too"',
    'bytes stay as they are',
  ]);
});

test('celsius.yaml converts what send-readings.ts sends, keeps what is not JSON, and drains when it is stopped', async () => {
  const folder = await makeFolder();
  const pipeline = startPipeline(folder, ['celsius.yaml', '--source-port', '0']);
  onTestFinished(() => pipeline.kill('SIGKILL'));
  const port = await waitUntil({ what: 'the pipeline receives', limitMs: 20_000, everyMs: 20 }, () =>
    pipeline.log.map(({ text }) => /port (\d+)/.exec(text ?? '')?.[1]).find((found) => found !== undefined),
  );
  const sender = startProgram(folder, ['send-readings.ts', port, '1000', 'sent.ndjson']);
  expect(await sender.ended).toBe(0);
  const out = join(folder, 'out/fahrenheit.ndjson');
  const dead = join(folder, 'out/dead-readings.ndjson');
  const all = { what: 'all readings have come', limitMs: 20_000, everyMs: 50 };
  await waitUntil(all, () => linesOf(out).length + linesOf(dead).length === 1000);
  pipeline.kill('SIGTERM');
  expect(await pipeline.ended).toBe(0);

  const sent = linesOf(join(folder, 'sent.ndjson'));
  expect(valuesOf(dead)).toMatchObject([{ code: 'message_invalid', message: { payload: { text: sent[999] } } }]);
  const written = valuesOf(out) as readonly { readonly reading: number; readonly fahrenheit: number }[];
  expect(new Set(written.map(({ reading }) => reading)).size).toBe(999);
  for (const { reading, fahrenheit } of written) {
    const { celsius } = JSON.parse(sent[reading - 1] ?? '') as { readonly celsius: number };
    expect(fahrenheit).toBeCloseTo(celsius * 1.8 + 32, 2);
  }
});

test('the README names every example', () => {
  const readme = readFileSync(exampleFile('README.md'), 'utf8');
  const named = readdirSync(exampleFile('.')).filter((file) => /\.(yaml|toml|ts)$/.test(file));
  expect(named.filter((file) => !readme.includes(`[${file}](${file})`))).toEqual([]);
});
