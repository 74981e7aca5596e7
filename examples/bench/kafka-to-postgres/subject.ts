// One run of one subject, in a process of its own: moves the messages of a topic into the table "bench", and prints in what time
// and with what CPU. Both commit rows and offsets in one transaction, once a second.
import { once } from 'node:events';
import { pipeline } from '@sluice/core';
import { kafka } from '@sluice/kafka';
import { type PostgresSinkConfig, postgres } from '@sluice/postgres';
import { reportCost } from '@sluice/testkit/bench';
import kafkajs from 'kafkajs';
import pg from 'pg';
import { type CopyStreamQuery, from as copyFrom } from 'pg-copy-streams';

/** What a run is told. */
export interface PairOrder {
  readonly brokers: readonly string[];
  readonly url: string;
  readonly topic: string;
  readonly groupId: string;
  readonly messages: number;
  /** `by hand`: kafkajs and pg-copy-streams. */
  readonly subject: 'by hand' | 'pipeline';
  /** `payloads`: as they are, into a column. `fields`: each into a column of its own. */
  readonly task: 'payloads' | 'fields';
}

const order = JSON.parse(process.argv[2] ?? '') as PairOrder; // As bench.ts makes it.
const { brokers, url, topic, groupId, messages: total, task } = order;
const flushIntervalMs = 1000;

async function moveByPipeline(): Promise<void> {
  const configs: Record<PairOrder['task'], PostgresSinkConfig> = {
    payloads: { url, table: 'bench', columns: { key: 'key', sent_at: 'timestamp', data: 'payload' } },
    fields: { url, table: 'bench' },
  };
  await pipeline({
    name: 'bench',
    source: kafka.source({ brokers, topics: [topic], groupId, start: 'earliest', bounded: true }),
    sink: postgres.sink(configs[task]),
  }).run();
}

const columns = task === 'payloads' ? 'key, sent_at, data' : 'id, name, amount, note';
const special = /[\\\n\r\t]/;

function escaped(text: string): string {
  if (!special.test(text)) return text;
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t');
}

interface Payload {
  readonly id: number;
  readonly name: string;
  readonly amount: number;
  readonly note: string;
}

function lineOf({ key, value, timestamp }: kafkajs.KafkaMessage): string {
  const text = value?.toString() ?? '';
  if (task === 'payloads') {
    const sentAt = new Date(Number(timestamp)).toISOString();
    return `${escaped(key?.toString() ?? '')}\t${sentAt}\t${escaped(text)}\n`;
  }
  const { id, name, amount, note } = JSON.parse(text) as Payload; // As bench.ts makes it.
  return `${id}\t${escaped(name)}\t${amount}\t${escaped(note)}\n`;
}

/** Resolves when the client has asked for more, and then is told everything that was said. */
async function write(stream: CopyStreamQuery, messages: readonly kafkajs.KafkaMessage[]): Promise<void> {
  let chunk = '';
  for (const message of messages) {
    chunk += lineOf(message);
    if (chunk.length < 65_536) continue;
    if (!stream.write(chunk)) await once(stream, 'drain');
    chunk = '';
  }
  const finished = once(stream, 'finish');
  stream.end(chunk);
  await finished;
}

async function moveByHand(): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query('CREATE TABLE IF NOT EXISTS bench_offsets (partition int PRIMARY KEY, next bigint)');
  const stored = await client.query<{ partition: number; next: string }>('SELECT * FROM bench_offsets');
  const consumer = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING }).consumer({
    groupId,
    maxWaitTimeInMs: 100,
    maxBytesPerPartition: 1024 * 1024,
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const offsets = new Map<number, string>();
  let moved = 0;
  let committedAt = performance.now();
  const commit = async (): Promise<void> => {
    const upsert = `INSERT INTO bench_offsets SELECT * FROM unnest($1::int[], $2::bigint[])
      ON CONFLICT (partition) DO UPDATE SET next = EXCLUDED.next`;
    await client.query(upsert, [[...offsets.keys()], [...offsets.values()]]);
    await client.query('COMMIT');
    committedAt = performance.now();
  };
  const done = Promise.withResolvers<void>();
  // One connection, one COPY at a time.
  let turn: Promise<void> = client.query('BEGIN').then(() => undefined);
  const move = async ({ partition, messages }: kafkajs.Batch): Promise<void> => {
    await write(client.query(copyFrom(`COPY bench (${columns}) FROM STDIN`)), messages);
    offsets.set(partition, String(Number(messages.at(-1)?.offset) + 1));
    moved += messages.length;
    if (moved === total) {
      await commit();
      done.resolve();
    } else if (performance.now() - committedAt >= flushIntervalMs) {
      await commit();
      await client.query('BEGIN');
    }
  };
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: 4,
    eachBatch: ({ batch }) => {
      turn = turn.then(() => move(batch));
      turn.catch(done.reject);
      return turn;
    },
  });
  for (const { partition, next } of stored.rows) consumer.seek({ topic, partition, offset: next });
  await done.promise;
  await consumer.disconnect();
  await client.end();
}

await reportCost(async () => {
  await (order.subject === 'pipeline' ? moveByPipeline() : moveByHand());
  return total;
});
process.exit(0); // kafkajs leaves timers behind
