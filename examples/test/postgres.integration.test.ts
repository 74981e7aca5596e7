import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTopic, type KafkaServer, type PostgresServer, startKafka, startPostgres } from '@sluice/testkit';
import type { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { lastWordsOf, type StartedProcess, startPipeline } from '#demo/started-process';
import { waitUntil } from '#demo/wait-until';
import { messagesIn } from './read-topic.js';
import { exampleFile, makeFolder, sluice } from './run-to-end.js';

let kafka: KafkaServer;
let postgres: PostgresServer;
let client: Client;
let folder: string;
let env: readonly string[];

beforeAll(async () => {
  [kafka, postgres] = await Promise.all([startKafka(), startPostgres()]);
  client = await postgres.connect();
});
afterAll(async () => {
  await client?.end();
  await Promise.all([kafka?.stop(), postgres?.stop()]);
});
beforeEach(async () => {
  folder = await makeFolder();
  const file = join(folder, 'servers.env');
  writeFileSync(file, `BROKERS=${kafka.directBrokers[0]}\nDATABASE_URL=${postgres.directUrl}\n`);
  env = ['--env-file', file];
});

function start(file: string): StartedProcess {
  const pipeline = startPipeline(folder, [file, ...env]);
  onTestFinished(() => pipeline.kill('SIGKILL'));
  return pipeline;
}

/** Resolves when a condition holds; fails when the pipeline ends before. */
async function during(pipeline: StartedProcess, what: string, condition: () => Promise<boolean>): Promise<void> {
  await waitUntil({ what, limitMs: 30_000, everyMs: 10 }, async () => {
    if (pipeline.hasEnded()) throw new Error(`the pipeline ended: ${lastWordsOf(pipeline)}`);
    return await condition();
  });
}

async function numberFrom(query: string): Promise<number> {
  const { rows } = await client.query<{ number: string }>(query);
  return Number(rows[0]?.number);
}

test('file-to-postgres.yaml stores each order once with its total, also when it is run again', async () => {
  expect(await sluice(folder, ['validate', exampleFile('file-to-postgres.yaml'), ...env])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/effectively once.*makes a missing table with the columns of/s),
  });
  for (const run of ['first', 'second']) {
    const ended = await sluice(folder, ['run', exampleFile('file-to-postgres.yaml'), ...env]);
    expect(ended.code, `${run}: ${ended.stderr}`).toBe(0);
    const { rows } = await client.query({ text: 'SELECT * FROM orders ORDER BY id', rowMode: 'array' });
    expect(rows, run).toEqual([
      ['1', 'bolt', '200', '12', '2400'],
      ['2', 'nut', '200', '8', '1600'],
      ['3', 'drill', '1', '12900', '12900'],
      ['4', 'saw', '2', '3450', '6900'],
      ['5', 'bench', '1', '48900', '48900'],
      ['6', 'glue', '12', '595', '7140'],
    ]);
  }
});

test('kafka-to-postgres.yaml stores each message once while the process is killed again and again', async () => {
  await createTopic(kafka, { name: 'orders', partitions: 3 });
  const producer = kafka.native.producer();
  await producer.connect();
  onTestFinished(() => producer.disconnect());
  const sentAt = Date.now();
  const sent: { readonly order: number; readonly item: string; readonly note: string }[] = [];
  const send = async (count: number): Promise<void> => {
    const orders = Array.from({ length: count }, (_, index) => {
      const order = sent.length + index + 1;
      return { order, item: `item ${order % 7}`, note: 'tab\t, quote " and \\ and €' };
    });
    const messages = orders.map((order) => ({ value: JSON.stringify(order), timestamp: String(sentAt + order.order) }));
    await producer.send({ topic: 'orders', messages });
    sent.push(...orders);
  };
  const stored = (): Promise<number> => numberFrom('SELECT count(*) AS number FROM loaded_orders');

  await send(1000);
  await client.query('CREATE TABLE loaded_orders (id bigint, item text, data jsonb, sent_at timestamptz)');
  for (let kill = 1; kill <= 3; kill++) {
    const pipeline = start('kafka-to-postgres.yaml');
    const before = await stored();
    await during(pipeline, 'a commit, while more comes', async () => {
      await send(200);
      return (await stored()) > before;
    });
    await send(5000);
    pipeline.kill('SIGKILL');
    expect(await pipeline.ended).toBe('SIGKILL');
  }
  const pipeline = start('kafka-to-postgres.yaml');
  await during(pipeline, 'every message is stored', async () => (await stored()) >= sent.length);
  pipeline.kill('SIGTERM');
  expect(await pipeline.ended).toBe(0);

  const { rows } = await client.query<{ id: string; item: string; data: unknown; sent_at: Date }>(
    'SELECT * FROM loaded_orders ORDER BY id',
  );
  const seen = rows.map(({ id, item, data, sent_at }) => ({ id: Number(id), item, data, at: sent_at.getTime() }));
  const expected = sent.map((data) => ({ id: data.order, item: data.item, data, at: sentAt + data.order }));
  expect(seen).toEqual(expected);
});

test('postgres-to-kafka.yaml publishes each change once and in order while the process is killed again and again', async () => {
  await createTopic(kafka, { name: 'public.customers' });
  await client.query('CREATE TABLE customers (id int PRIMARY KEY, name text)');
  const expected: unknown[] = [];
  /** Three changes in two transactions. */
  const change = async (id: number): Promise<void> => {
    await client.query('INSERT INTO customers VALUES ($1, $2)', [id, `customer ${id}`]);
    await client.query(`BEGIN; UPDATE customers SET name = 'renamed' WHERE id = ${id};
      DELETE FROM customers WHERE id = ${id - 10}; COMMIT`);
    expected.push(['create', id, `customer ${id}`], ['update', id, 'renamed']);
    if (id > 10) expected.push(['delete', id - 10, undefined]);
  };
  const confirmed = (): Promise<number> =>
    numberFrom(
      "SELECT confirmed_flush_lsn - '0/0' AS number FROM pg_replication_slots WHERE slot_name = 'publish_customers'",
    );

  let pipeline = start('postgres-to-kafka.yaml');
  await during(pipeline, 'the slot exists', async () => (await confirmed()) > 0);
  let id = 0;
  for (let kill = 1; kill <= 3; kill++) {
    const place = await numberFrom("SELECT pg_current_wal_lsn() - '0/0' AS number");
    await during(pipeline, 'a change is confirmed, while more come', async () => {
      await change(++id);
      return (await confirmed()) > place;
    });
    for (const end = id + 50; id < end; ) await change(++id);
    pipeline.kill('SIGKILL');
    expect(await pipeline.ended).toBe('SIGKILL');
    pipeline = start('postgres-to-kafka.yaml');
  }
  const seen = await messagesIn(kafka, 'public.customers', expected.length);
  pipeline.kill('SIGTERM');
  expect(await pipeline.ended).toBe(0);
  const changes = seen.map(({ value }) => {
    // As the codec `change` writes it.
    const { operation, key, after } = JSON.parse(value) as Change;
    return [operation, key.id, after?.name];
  });
  expect(changes).toEqual(expected);

  expect(await sluice(folder, ['teardown', exampleFile('postgres-to-kafka.yaml'), ...env, '--yes'])).toMatchObject({
    code: 0,
  });
  expect(await numberFrom('SELECT count(*) AS number FROM pg_replication_slots')).toBe(0);
});

interface Change {
  readonly operation: string;
  readonly key: { readonly id: number };
  readonly after?: { readonly name: string };
}
