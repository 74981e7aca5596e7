// Reads and writes a topic: kafkajs in a loop by hand and a pipeline, in turn, each in a process of its own whose memory is
// watched from outside. One more run of the pipeline is profiled, for the engine's share of its CPU. Starts a broker in a
// container, or uses that of SLUICE_TEST_KAFKA_URL.
//
//   pnpm bench kafka [--json] [--messages 1000000] [--repeat 5]
import { join } from 'node:path';
import { createTopic, type KafkaServer, startKafka, uniqueName } from '@sluice/testkit';
import { type BenchCase, benchOptions, type Measured, measureProcess, runBenchmark } from '@sluice/testkit/bench';
import { shareOfEngine } from './engine-share.js';
import type { BenchOrder } from './subject.js';

const options = benchOptions({ messages: 1_000_000, repeat: 5 });

async function* cases(): AsyncGenerator<BenchCase<'kafkajs'>> {
  await using kafka = await startKafka();
  for (const task of ['write', 'read'] as const)
    for (const payloadBytes of [100, 1024])
      for (const partitions of [1, 12]) yield* caseOf(kafka, { task, payloadBytes, partitions });
}

/** What is measured, and against which data. */
interface Task {
  readonly task: BenchOrder['task'];
  readonly payloadBytes: number;
  readonly partitions: number;
}

async function* caseOf(
  kafka: KafkaServer,
  { task, payloadBytes, partitions }: Task,
): AsyncGenerator<BenchCase<'kafkajs'>> {
  // A kibibyte each would make more than the page cache of a small machine holds.
  const messages = Math.round(options.messages / (payloadBytes > 500 ? 2000 : 1000)) * 1000;
  const order = { brokers: kafka.directBrokers, messages, payloadBytes };
  const source = await createTopic(kafka, { partitions });
  if (task === 'read') await measure({ ...order, topic: source, task: 'write', subject: 'pipeline', groupId: '' });
  const run = async (subject: BenchOrder['subject'], nodeOptions: readonly string[] = []): Promise<Measured> => {
    const topic = task === 'read' ? source : await createTopic(kafka, { partitions });
    const measured = await measure({ ...order, topic, task, subject, groupId: uniqueName('bench') }, nodeOptions);
    if (task === 'write') await deleteTopic(kafka, topic);
    return measured;
  };
  yield {
    name: `${task} ${payloadBytes} B, ${partitions} p`,
    measure: run,
    more: async () => {
      const share = await shareOfEngine((nodeOptions) => run('pipeline', nodeOptions));
      return { 'engine % of CPU': Math.round(share * 1000) / 10 };
    },
  };
  await deleteTopic(kafka, source);
}

function measure(order: BenchOrder, nodeOptions: readonly string[] = []): Promise<Measured> {
  return measureProcess(join(import.meta.dirname, 'subject.ts'), [JSON.stringify(order)], nodeOptions);
}

async function deleteTopic({ native }: KafkaServer, topic: string): Promise<void> {
  const admin = native.admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
}

await runBenchmark({ name: 'kafka', byHand: ['kafkajs'], cases: cases() }, options);
