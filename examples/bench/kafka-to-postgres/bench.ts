// Moves a topic into a table: a pipeline, and the program that one would write by hand over kafkajs and pg-copy-streams with the
// same guarantee, in turn, each in a process of its own whose memory is watched from outside. After each run the table is
// compared with what was sent.
//
//   pnpm bench kafka-to-postgres [--json] [--messages 1000000] [--repeat 3] [--partitions 4]
import { join } from 'node:path';
import { createTopic, type KafkaServer, startKafka, startPostgres, uniqueName } from '@sluice/testkit';
import { type BenchCase, benchOptions, type Measured, measureProcess, runBenchmark } from '@sluice/testkit/bench';
import type { Client } from 'pg';
import type { PairOrder } from './subject.js';

type Task = PairOrder['task'];

const options = benchOptions({ messages: 1_000_000, repeat: 3, partitions: 4 });
const messagesPerRequest = 1000;
const total = Math.round(options.messages / messagesPerRequest) * messagesPerRequest;
const timestamp = Date.now();

const tables: Record<Task, string> = {
  payloads: 'key text, sent_at timestamptz, data jsonb',
  fields: 'id bigint, name text, amount double precision, note text',
};

/** What differs from what was sent, for each task. */
const comparisons: Record<Task, string> = {
  payloads: `SELECT count(*) AS count, count(DISTINCT data->'id') AS different, count(*) FILTER (WHERE
      data <> jsonb_build_object('id', data->'id', 'name', 'customer ' || key, 'amount', key::int * 1.5, 'note', repeat('x', 40))
      OR (data->>'id') <> key OR sent_at <> to_timestamp(${timestamp} / 1000.0)) AS wrong FROM bench`,
  fields: `SELECT count(*) AS count, count(DISTINCT id) AS different, count(*) FILTER (WHERE
      (name, amount, note) <> ('customer ' || id, id * 1.5, repeat('x', 40)) OR id NOT BETWEEN 0 AND ${total - 1}) AS wrong
    FROM bench`,
};

async function* cases(): AsyncGenerator<BenchCase<'by hand'>> {
  await using postgres = await startPostgres({ settings: { shared_buffers: '512MB', max_wal_size: '8GB' } });
  await using kafka = await startKafka();
  const topic = await createTopic(kafka, { partitions: options.partitions });
  await publish(kafka, topic);
  const client = await postgres.connect();
  const place = { brokers: kafka.directBrokers, url: postgres.directUrl, topic, messages: total };
  for (const task of Object.keys(tables) as Task[]) // the tasks are its keys
    yield {
      name: task,
      measure: (subject) => measure(client, { ...place, subject, task, groupId: uniqueName('bench') }),
    };
  await client.end();
}

async function publish({ native }: KafkaServer, topic: string): Promise<void> {
  const producer = native.producer();
  await producer.connect();
  for (let from = 0; from < total; from += messagesPerRequest) {
    const messages = Array.from({ length: messagesPerRequest }, (_, index) => {
      const id = from + index;
      const value = JSON.stringify({ id, name: `customer ${id}`, amount: id * 1.5, note: 'x'.repeat(40) });
      return { key: String(id), value, timestamp: String(timestamp) };
    });
    await producer.send({ topic, messages });
  }
  await producer.disconnect();
}

async function measure(client: Client, order: PairOrder): Promise<Measured> {
  await client.query(
    `DROP TABLE IF EXISTS bench, bench_offsets, sluice_positions; CREATE TABLE bench (${tables[order.task]})`,
  );
  await client.query('CHECKPOINT');
  const measured = await measureProcess(join(import.meta.dirname, 'subject.ts'), [JSON.stringify(order)]);
  const { rows } = await client.query<{ count: string; different: string; wrong: string }>(comparisons[order.task]);
  const seen = { count: Number(rows[0]?.count), different: Number(rows[0]?.different), wrong: Number(rows[0]?.wrong) };
  if (seen.count !== total || seen.different !== total || seen.wrong !== 0)
    throw new Error(`it left other rows than were sent: ${JSON.stringify(seen)}`);
  return measured;
}

await runBenchmark(
  { name: 'kafka-to-postgres', byHand: ['by hand'], targetRatio: 0.9, cases: cases() },
  { ...options, messages: total },
);
