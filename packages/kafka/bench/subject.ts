// One run of one subject, in a process of its own: prints how many messages it moved, in what time and with what CPU.
import { createMessage, type Message, memoryCheckpoints, pipeline } from '@sluice/core';
import { inlineSink, inlineSource } from '@sluice/core/testing';
import { kafka } from '@sluice/kafka';
import { reportCost } from '@sluice/testkit/bench';
import kafkajs from 'kafkajs';

/** What a run is told. */
export interface BenchOrder {
  readonly brokers: readonly string[];
  readonly topic: string;
  /** `kafkajs`: in a loop by hand. */
  readonly subject: 'kafkajs' | 'pipeline';
  readonly task: 'read' | 'write';
  readonly messages: number;
  readonly payloadBytes: number;
  readonly groupId: string;
}

const order = JSON.parse(process.argv[2] ?? '') as BenchOrder;
const { brokers, topic, messages: total, groupId } = order;
const batchMessages = 1000;
const inFlight = 4;
const payload = Buffer.alloc(order.payloadBytes, 'x');
const keys = Array.from({ length: 1000 }, (_, index) => Buffer.from(`key ${index}`));
// Not older, or the broker deletes them for their age.
const timestamp = Date.now();
const batch: readonly Message[] = keys.map((key) => createMessage({ key, payload, timestamp }));

/** What user code does with a message: it looks at all of it. */
function look(key: unknown, value: unknown, timestamp: unknown, headers: unknown): number {
  return (
    (key === null ? 0 : 1) +
    (value === null ? 0 : 1) +
    (timestamp === undefined ? 0 : 1) +
    (headers === undefined ? 0 : 1)
  );
}

let seen = 0;
let looked = 0;
function see(messages: readonly Message[]): void {
  for (const { key, payload: value, timestamp, headers } of messages) looked += look(key, value, timestamp, headers);
  seen += messages.length;
}

const ready = inlineSource('memory-bench', {
  async *read() {
    const bytes = batch.length * (order.payloadBytes + 10);
    for (let position = batchMessages; position <= total; position += batchMessages)
      yield { messages: batch, position, bytes };
  },
});

const counting = inlineSink(
  'memory-bench',
  { write: async ({ messages }) => see(messages) },
  { preferred: { maxMessages: 5000, maxBytes: 4 * 1024 * 1024, maxInFlight: 1 } },
);

const client = (): kafkajs.Kafka => new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING });

/** kafkajs as it is fastest: not idempotent, so that its requests overlap. */
async function writeRaw(): Promise<void> {
  const producer = client().producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await producer.connect();
  const messages = keys.map((key) => ({ key, value: payload, timestamp: String(timestamp) }));
  let left = total / batchMessages;
  const lane = async (): Promise<void> => {
    while (left-- > 0) await producer.sendBatch({ acks: -1, topicMessages: [{ topic, messages }] });
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  await producer.disconnect();
}

async function writeWithPipeline(): Promise<void> {
  await pipeline({
    name: 'bench',
    source: ready,
    sink: kafka.sink({ brokers, topic }),
    checkpoints: memoryCheckpoints(),
  }).run();
}

async function readRaw(): Promise<void> {
  const consumer = client().consumer({ groupId, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const done = Promise.withResolvers<void>();
  await consumer.run({
    partitionsConsumedConcurrently: 4,
    autoCommitInterval: 1000,
    eachBatch: async ({ batch }) => {
      for (const { key, value, timestamp, headers } of batch.messages)
        looked += look(key, value, Number(timestamp), headers);
      seen += batch.messages.length;
      if (seen >= total) done.resolve();
    },
  });
  await done.promise;
  await consumer.disconnect();
}

async function readWithPipeline(): Promise<void> {
  await pipeline({
    name: 'bench',
    source: kafka.source({ brokers, topics: [topic], groupId, start: 'earliest', bounded: true }),
    sink: counting,
  }).run();
}

const runs = {
  write: { kafkajs: writeRaw, pipeline: writeWithPipeline },
  read: { kafkajs: readRaw, pipeline: readWithPipeline },
};

await reportCost(async () => {
  await runs[order.task][order.subject]();
  if (order.task === 'read' && (seen < total || looked < 3 * total))
    throw new Error(`read ${seen} of ${total} messages`);
  return total;
});
process.exit(0); // kafkajs leaves timers behind
