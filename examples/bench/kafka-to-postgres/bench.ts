// Moves a topic into a table: a pipeline, and the program that one would write by hand over kafkajs and pg-copy-streams with the
// same guarantee, in turn, each in a process of its own whose memory is watched from outside. After each run the table is
// compared with what was sent.
//
//   pnpm bench kafka-to-postgres [--json] [--messages 1000000] [--repeat 3] [--partitions 4]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type KafkaServer, type PostgresServer, startKafka, startPostgres, uniqueName } from '@sluice/testkit';
import type { Client } from 'pg';
import type { PairOrder } from './subject.js';

type Subject = PairOrder['subject'];
type Task = PairOrder['task'];

interface Measured {
  readonly messagesPerSecond: number;
  /** Of the process, all threads, per message. */
  readonly cpuMicroseconds: number;
  readonly peakMiB: number;
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    messages: { type: 'string', default: '1000000' },
    repeat: { type: 'string', default: '3' },
    partitions: { type: 'string', default: '4' },
  },
});
const subjects: readonly Subject[] = ['pipeline', 'by hand'];
const messagesPerRequest = 1000;
const total = Math.round(Number(values.messages) / messagesPerRequest) * messagesPerRequest;
const timestamp = Date.now();
/** The byte budget of a pipeline, and what its runtime may take. */
const allowedMiB = 64 + 32;

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

async function publish({ native }: KafkaServer, topic: string): Promise<void> {
  const admin = native.admin();
  await admin.connect();
  // kafkajs fails when it looks for leaders before the broker has heard of the topic.
  await admin.createTopics({
    topics: [{ topic, numPartitions: Number(values.partitions) }],
    waitForLeaders: false,
  });
  const isUsable = async (): Promise<boolean> => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]?.partitions.every(({ leader }) => leader >= 0) ?? false;
  };
  while (!(await isUsable().catch(() => false))) await pause(20);
  await admin.disconnect();
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
  const { subject, task } = order;
  await client.query(
    `DROP TABLE IF EXISTS bench, bench_offsets, sluice_positions; CREATE TABLE bench (${tables[task]})`,
  );
  await client.query('CHECKPOINT');
  const script = join(import.meta.dirname, 'subject.ts');
  const child = spawn(process.execPath, ['--no-warnings', script, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let peakMiB = 0;
  const timer = setInterval(() => {
    void residentMiB(child.pid).then((mebibytes) => {
      peakMiB = Math.max(peakMiB, mebibytes);
    });
  }, 100);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  clearInterval(timer);
  if (code !== 0) throw new Error(`${subject} of ${task} ended with code ${code}`);
  const { rows } = await client.query<{ count: string; different: string; wrong: string }>(comparisons[task]);
  const seen = { count: Number(rows[0]?.count), different: Number(rows[0]?.different), wrong: Number(rows[0]?.wrong) };
  if (seen.count !== total || seen.different !== total || seen.wrong !== 0)
    throw new Error(`${subject} of ${task} left other rows than were sent: ${JSON.stringify(seen)}`);
  const { ms, cpuMicroseconds } = JSON.parse(output) as { ms: number; cpuMicroseconds: number };
  return { messagesPerSecond: (total / ms) * 1000, cpuMicroseconds, peakMiB };
}

/** 0 where the system does not tell, or the process has ended. */
async function residentMiB(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

function medians(runs: readonly Measured[]): Measured {
  return {
    messagesPerSecond: median(runs.map((run) => run.messagesPerSecond)),
    cpuMicroseconds: median(runs.map((run) => run.cpuMicroseconds)),
    peakMiB: Math.max(...runs.map((run) => run.peakMiB)),
  };
}

async function compare(kafka: KafkaServer, postgres: PostgresServer): Promise<readonly Record<string, unknown>[]> {
  const topic = uniqueName('bench');
  await publish(kafka, topic);
  const client = await postgres.connect();
  const results: Record<string, unknown>[] = [];
  for (const task of Object.keys(tables) as Task[]) {
    const runs: Record<Subject, Measured[]> = { pipeline: [], 'by hand': [] };
    for (let round = 0; round <= Number(values.repeat); round++) {
      for (const subject of subjects) {
        const place = { brokers: kafka.directBrokers, url: postgres.directUrl, topic, groupId: uniqueName('bench') };
        const measured = await measure(client, { ...place, subject, task, messages: total });
        if (round > 0) runs[subject].push(measured); // the first round warms the caches
      }
    }
    results.push(resultOf(task, medians(runs.pipeline), medians(runs['by hand'])));
  }
  await client.end();
  return results;
}

function resultOf(task: Task, pipeline: Measured, byHand: Measured): Record<string, unknown> {
  const ratio = pipeline.messagesPerSecond / byHand.messagesPerSecond;
  const addedMiB = pipeline.peakMiB - byHand.peakMiB;
  return {
    task,
    'by hand messages/s': Math.round(byHand.messagesPerSecond),
    'pipeline messages/s': Math.round(pipeline.messagesPerSecond),
    ratio: round(ratio),
    'by hand CPU us/message': round(byHand.cpuMicroseconds),
    'pipeline CPU us/message': round(pipeline.cpuMicroseconds),
    'added peak MiB': Math.round(addedMiB),
    met: ratio >= 0.9 && addedMiB <= allowedMiB,
  };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

await using postgres = await startPostgres({ settings: { shared_buffers: '512MB', max_wal_size: '8GB' } });
const kafka = await startKafka();
try {
  const results = await compare(kafka, postgres);
  if (values.json)
    console.log(JSON.stringify({ benchmark: 'kafka-to-postgres', messages: total, results }, undefined, 2));
  else console.table(Object.fromEntries(results.map(({ task, ...rest }) => [String(task), rest])));
  if (!results.every(({ met }) => met)) {
    console.error('The target is a ratio of 0.9, and at most 96 MiB more memory.');
    process.exitCode = 1;
  }
} finally {
  await kafka.stop();
}
