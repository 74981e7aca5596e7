import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type PostgresServer, startPostgres } from '@sluice/testkit';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { lastWordsOf, startPipeline, startProgram } from '#demo/started-process';
import { waitUntil } from '#demo/wait-until';
import { makeFolder } from './run-to-end.js';

const packages = fileURLToPath(new URL('../../packages/', import.meta.url));
let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
  const client = await server.connect();
  await client.query(`create schema sales; create table sales.customers (id int primary key, name text, region text);
    insert into sales.customers values (1, 'Ann', 'north'), (2, 'Bob', 'south');
    create table orders (id int primary key, customer int, updated_at timestamptz default now())`);
  await client.end();
});
afterAll(() => server?.stop());

/** A folder with every example of the README that names its file, for this server, and with the packages that it installs. */
async function folderOfReadme(): Promise<string> {
  const folder = await makeFolder();
  const readme = await readFile(join(packages, 'postgres/README.md'), 'utf8');
  const url = /postgresql:\/\/\w+@db\.example\/shop(?:\?sslmode=verify-full)?/g;
  for (const [, text = '', name] of readme.matchAll(/^```\w+\n((?:#|\/\/) ([\w.-]+\.\w+)\n.*?)^```/gms))
    await writeFile(join(folder, name ?? ''), text.replaceAll(url, server.directUrl));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await mkdir(join(folder, 'node_modules/@sluice'), { recursive: true });
  for (const name of ['core', 'file', 'postgres'])
    await symlink(join(packages, name), join(folder, 'node_modules/@sluice', name));
  return folder;
}

/** Waits until a file has so many lines, and ends what writes it. */
async function read(started: ReturnType<typeof startProgram>, path: string, lines: number): Promise<unknown[]> {
  onTestFinished(() => started.kill('SIGKILL'));
  const found = (): string[] => (existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []);
  await waitUntil(
    { what: `${path}, ${lastWordsOf(started)}`, limitMs: 20_000, everyMs: 50 },
    () => found().length >= lines,
  );
  started.kill('SIGTERM');
  await started.ended;
  return found().map((line) => JSON.parse(line) as unknown);
}

test('every example of the README runs when it is pasted', async () => {
  const folder = await folderOfReadme();
  const orders = [1, 2].map((id) => ({ id, customer: id }));
  await writeFile(join(folder, 'new-orders.ndjson'), orders.map((order) => `${JSON.stringify(order)}\n`).join(''));
  for (const loading of [
    () => startProgram(folder, [join(folder, 'load.ts')]),
    () => startPipeline(folder, [join(folder, 'load.yaml')]),
  ]) {
    const started = loading();
    onTestFinished(() => started.kill('SIGKILL'));
    expect([await started.ended, lastWordsOf(started)]).toEqual([0, expect.any(String)]);
  }

  const ofFile = (name: string): ReturnType<typeof startProgram> => startPipeline(folder, [join(folder, name)]);
  const rows = orders.map((order): unknown => expect.objectContaining(order));
  expect(await read(ofFile('orders.yaml'), join(folder, 'orders.ndjson'), 2)).toEqual(rows);
  expect(await read(ofFile('woken.yaml'), join(folder, 'woken.ndjson'), 2)).toEqual(rows);
  expect(await read(ofFile('north.yaml'), join(folder, 'north.ndjson'), 1)).toEqual([
    expect.objectContaining({ id: 1, name: 'Ann' }),
  ]);

  const changes = ['create', 'snapshot'];
  const other = await folderOfReadme();
  for (const [where, started] of [
    [folder, () => startProgram(folder, [join(folder, 'changes.ts')])],
    [other, () => startPipeline(other, [join(other, 'changes.yaml')])],
  ] as const) {
    const found = await read(started(), join(where, 'changes.ndjson'), 4);
    expect(found).toHaveLength(4);
    for (const each of found) expect(changes).toContain((each as { operation: string }).operation);
  }
});
