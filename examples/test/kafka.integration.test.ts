import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTopic, type KafkaServer, startKafka } from '@sluice/testkit';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type StartedProcess, startPipeline } from '#demo/started-process';
import { waitUntil } from '#demo/wait-until';
import { messagesIn } from './read-topic.js';
import { exampleFile, makeFolder, sluice } from './run-to-end.js';

let server: KafkaServer;
let folder: string;
let envFile: string;

beforeAll(async () => {
  server = await startKafka();
  const names = ['orders', 'orders-with-total', 'dead-orders'];
  await Promise.all(names.map((name) => createTopic(server, { name, partitions: 3 })));
});
afterAll(() => server?.stop());

function start(file: string): StartedProcess {
  const pipeline = startPipeline(folder, [file, '--env-file', envFile]);
  onTestFinished(() => pipeline.kill('SIGKILL'));
  return pipeline;
}

const orders = (): readonly string[] => readFileSync(join(folder, 'data/orders.ndjson'), 'utf8').trim().split('\n');

test('orders go from a file to Kafka, from Kafka to Kafka, and from Kafka to a file', async () => {
  folder = await makeFolder();
  envFile = join(folder, 'kafka.env');
  writeFileSync(envFile, `BROKERS=${server.directBrokers[0]}\n`);
  const env = ['--env-file', envFile];

  expect(await sluice(folder, ['validate', exampleFile('file-to-kafka.yaml'), ...env])).toMatchObject({ code: 0 });
  for (const run of ['first', 'second']) {
    const ended = await sluice(folder, ['run', exampleFile('file-to-kafka.yaml'), ...env]);
    expect(ended.code, `${run}: ${ended.stderr}`).toBe(0);
  }
  const published = await messagesIn(server, 'orders', orders().length);
  expect(published.map(({ value }) => JSON.parse(value) as unknown)).toEqual(
    expect.arrayContaining(orders().map((line) => JSON.parse(line) as unknown)),
  );
  expect(published).toHaveLength(orders().length);
  for (const { key, value } of published) expect((JSON.parse(value) as { item: string }).item).toBe(key);

  const totals = start('kafka-to-kafka.yaml');
  const added = await messagesIn(server, 'orders-with-total', orders().length);
  totals.kill('SIGTERM');
  expect(await totals.ended).toBe(0);
  for (const { value } of added) {
    const { quantity, priceCents, totalCents } = JSON.parse(value) as Record<string, number>;
    expect(totalCents).toBe(Number(quantity) * Number(priceCents));
  }

  const archive = join(folder, 'out/archived-orders.ndjson');
  const archiving = start('kafka-to-file.yaml');
  const lines = (): readonly string[] =>
    existsSync(archive) ? readFileSync(archive, 'utf8').split('\n').slice(0, -1) : [];
  await waitUntil({ what: 'the archive', limitMs: 20_000, everyMs: 50 }, () => lines().length >= orders().length);
  archiving.kill('SIGTERM');
  expect(await archiving.ended).toBe(0);
  expect([...lines()].sort()).toEqual(published.map(({ value }) => value).sort());
});
