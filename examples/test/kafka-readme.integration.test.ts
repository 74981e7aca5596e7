import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createTopic, type KafkaServer, startKafka } from '@sluice/testkit';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { lastWordsOf, startPipeline, startProgram } from '#demo/started-process';
import { waitUntil } from '#demo/wait-until';
import { makeFolder } from './run-to-end.js';

const packages = fileURLToPath(new URL('../../packages/', import.meta.url));
const orders = ['{"id":1}', '{"id":2}', '{"id":3}'];
let server: KafkaServer;

beforeAll(async () => {
  server = await startKafka();
  await Promise.all(['orders', 'copied-orders'].map((name) => createTopic(server, { name })));
});
afterAll(() => server?.stop());

/** A folder with every example of the README that names its file, for this broker, and with the packages that it installs. */
async function folderOfReadme(): Promise<string> {
  const folder = await makeFolder();
  const readme = await readFile(join(packages, 'kafka/README.md'), 'utf8');
  for (const [, text = '', name] of readme.matchAll(/^```\w+\n((?:#|\/\/) ([\w.-]+\.\w+)\n.*?)^```/gms))
    await writeFile(join(folder, name ?? ''), text.replaceAll('localhost:9092', server.directBrokers[0] ?? ''));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(join(folder, 'new-orders.ndjson'), orders.map((line) => `${line}\n`).join(''));
  await mkdir(join(folder, 'node_modules/@sluice'), { recursive: true });
  for (const name of ['core', 'file', 'kafka'])
    await symlink(join(packages, name), join(folder, 'node_modules/@sluice', name));
  return folder;
}

test('every example of the README runs when it is pasted', async () => {
  const folder = await folderOfReadme();
  const ended = async (name: string): Promise<void> => {
    const program = startProgram(folder, [join(folder, name)]);
    onTestFinished(() => program.kill('SIGKILL'));
    expect([name, await program.ended, lastWordsOf(program)]).toEqual([name, 0, expect.any(String)]);
  };
  await ended('publish.ts');
  await ended('publish.ts'); // goes on at the end
  await ended('copy.ts');
  await ended('copy.ts');
  const read = async (started: ReturnType<typeof startProgram>, file: string): Promise<void> => {
    onTestFinished(() => started.kill('SIGKILL'));
    const all = orders.map((line) => `${line}\n`).join('');
    const isThere = (): boolean => existsSync(file) && readFileSync(file, 'utf8') === all;
    await waitUntil({ what: `${file}, ${lastWordsOf(started)}`, limitMs: 20_000, everyMs: 50 }, isThere);
    started.kill('SIGTERM');
    await started.ended;
  };
  // This one leaves the group at its end; a program that is killed would be waited for until its session ends.
  await read(startPipeline(folder, [join(folder, 'orders.yaml')]), join(folder, 'orders.ndjson'));
  const other = await folderOfReadme();
  await read(startProgram(other, [join(other, 'orders.ts')]), join(other, 'orders.ndjson'));
});
