// Reads and writes a topic: kafkajs in a loop by hand, our drivers in a loop by hand, and a pipeline, in turn, each in a process
// of its own whose memory is watched from outside. Starts a broker in a container, or uses that of SLUICE_TEST_KAFKA_URL.
//
//   pnpm bench kafka [--json] [--messages 1000000] [--repeat 5]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type KafkaServer, startKafka, uniqueName } from '@sluice/testkit';
import type { BenchOrder } from './subject.js';

type Subject = BenchOrder['subject'];
type Task = BenchOrder['task'];

/** What is measured, and against which data. */
interface Case {
  readonly task: Task;
  readonly payloadBytes: number;
  readonly partitions: number;
}

interface Measured {
  readonly messagesPerSecond: number;
  /** Of the process, all threads, per message. */
  readonly cpuMicroseconds: number;
  readonly peakMiB: number;
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    // So many that what opening costs, once, does not count.
    messages: { type: 'string', default: '1000000' },
    repeat: { type: 'string', default: '5' },
  },
});
const subjects = ['raw', 'driver', 'pipeline'] as const;
const rounds = Number(values.repeat);
/** The byte budget of a pipeline, and what its runtime may take. */
const allowedMiB = 64 + 32;

async function measure(order: BenchOrder): Promise<Measured> {
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
  if (code !== 0) throw new Error(`${order.subject} ${order.task} ended with code ${code}`);
  const { ms, cpuMicroseconds } = JSON.parse(output) as { ms: number; cpuMicroseconds: number };
  return { messagesPerSecond: (order.messages / ms) * 1000, cpuMicroseconds, peakMiB };
}

/** 0 where the system does not tell, or the process has ended. */
async function residentMiB(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}

async function createTopic({ native }: KafkaServer, numPartitions: number): Promise<string> {
  const topic = uniqueName('bench');
  const admin = native.admin();
  await admin.connect();
  // kafkajs fails when it looks for leaders before the broker has heard of the topic.
  await admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: false });
  const isUsable = async (): Promise<boolean> => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]?.partitions.every(({ leader }) => leader >= 0) ?? false;
  };
  while (!(await isUsable().catch(() => false))) await pause(20);
  await admin.disconnect();
  return topic;
}

async function deleteTopic({ native }: KafkaServer, topic: string): Promise<void> {
  const admin = native.admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
}

async function compare(kafka: KafkaServer, { task, payloadBytes, partitions }: Case): Promise<Record<string, unknown>> {
  // A kibibyte each would make more than the page cache of a small machine holds.
  const messages = Math.round(Number(values.messages) / (payloadBytes > 500 ? 2000 : 1000)) * 1000;
  const runs: Record<Subject, Measured[]> = { raw: [], driver: [], pipeline: [] };
  const source = await createTopic(kafka, partitions);
  const order = { brokers: kafka.directBrokers, messages, payloadBytes };
  if (task === 'read') await measure({ ...order, topic: source, task: 'write', subject: 'driver', groupId: '' });
  for (let round = 0; round <= rounds; round++) {
    for (const subject of subjects) {
      const topic = task === 'read' ? source : await createTopic(kafka, partitions);
      const measured = await measure({ ...order, topic, task, subject, groupId: uniqueName('bench') });
      if (task === 'write') await deleteTopic(kafka, topic);
      if (round > 0) runs[subject].push(measured); // the first round warms the caches
    }
  }
  await deleteTopic(kafka, source);
  return resultOf(
    `${task} ${payloadBytes} B, ${partitions} p`,
    medians(runs.raw),
    medians(runs.driver),
    medians(runs.pipeline),
  );
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

function resultOf(name: string, raw: Measured, driver: Measured, ours: Measured): Record<string, unknown> {
  const ratio = ours.messagesPerSecond / raw.messagesPerSecond;
  const addedMicroseconds = ours.cpuMicroseconds - raw.cpuMicroseconds;
  const addedMiB = ours.peakMiB - raw.peakMiB;
  return {
    case: name,
    'kafkajs messages/s': Math.round(raw.messagesPerSecond),
    'pipeline messages/s': Math.round(ours.messagesPerSecond),
    ratio: round(ratio),
    'kafkajs CPU us/message': round(raw.cpuMicroseconds),
    'pipeline CPU us/message': round(ours.cpuMicroseconds),
    'engine % of CPU': Math.round((1 - driver.cpuMicroseconds / ours.cpuMicroseconds) * 100),
    'added peak MiB': Math.round(addedMiB),
    met: (ratio >= 0.95 || (raw.cpuMicroseconds < 2 && addedMicroseconds <= 0.1)) && addedMiB <= allowedMiB,
  };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

const kafka = await startKafka();
try {
  const results: Record<string, unknown>[] = [];
  for (const task of ['write', 'read'] as const)
    for (const payloadBytes of [100, 1024])
      for (const partitions of [1, 12]) results.push(await compare(kafka, { task, payloadBytes, partitions }));
  if (values.json) console.log(JSON.stringify({ benchmark: 'kafka', results }, undefined, 2));
  else console.table(Object.fromEntries(results.map(({ case: name, ...rest }) => [String(name), rest])));
  if (!results.every(({ met }) => met)) {
    console.error(
      'The target is a ratio of 0.95, or at most 0.1 us of CPU added per message, and at most 96 MiB more memory.',
    );
    process.exitCode = 1;
  }
} finally {
  await kafka.stop();
}
