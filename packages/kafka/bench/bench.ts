// Reads and writes a topic: kafkajs in a loop by hand and a pipeline, in turn, each in a process of its own whose memory is
// watched from outside. One more run of the pipeline is profiled, for the engine's share of its CPU. Starts a broker in a
// container, or uses that of SLUICE_TEST_KAFKA_URL.
//
//   pnpm bench kafka [--json] [--messages 1000000] [--repeat 5]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
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

/** A CPU profile as `node --cpu-prof` writes it. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
    readonly children?: readonly number[];
  }[];
  /** The node of each sample, and the microseconds before it. */
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

type Owner = 'engine' | 'others' | 'idle';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    // So many that what opening costs, once, does not count.
    messages: { type: 'string', default: '1000000' },
    repeat: { type: 'string', default: '5' },
  },
});
const subjects = ['raw', 'pipeline'] as const;
const rounds = Number(values.repeat);
/** The byte budget of a pipeline, and what its runtime may take. */
const allowedMiB = 64 + 32;

async function measure(order: BenchOrder, nodeOptions: readonly string[] = []): Promise<Measured> {
  const script = join(import.meta.dirname, 'subject.ts');
  const child = spawn(process.execPath, ['--no-warnings', ...nodeOptions, script, JSON.stringify(order)], {
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

/** The part of a pipeline's CPU time that the engine takes. */
async function shareOfEngine(order: BenchOrder): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  await measure(order, ['--cpu-prof', `--cpu-prof-dir=${folder}`]);
  const [file = ''] = await readdir(folder);
  // What Node.js writes.
  const profile = JSON.parse(await readFile(join(folder, file), 'utf8')) as CpuProfile;
  await rm(folder, { recursive: true });
  return engineShare(profile);
}

/**
 * Which part of the time that a pipeline's thread was busy went into the engine, from 0 to 1: into the core's own code and what
 * that calls of the language, but not into what drivers call of the core. Collecting garbage is nobody's.
 */
function engineShare({ nodes, samples, timeDeltas }: CpuProfile): number {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const owners = new Map<number, Owner>();
  const mark = (id: number, caller: Owner): void => {
    const node = byId.get(id);
    if (node === undefined) return;
    const owner = ownerOf(node.callFrame, caller);
    owners.set(id, owner);
    for (const child of node.children ?? []) mark(child, owner);
  };
  const [root] = nodes;
  // Called by nobody: what runs first after a wait.
  for (const id of root?.children ?? []) mark(id, 'idle');
  const times = { engine: 0, others: 0, idle: 0 };
  samples.forEach((id, index) => {
    times[owners.get(id) ?? 'others'] += timeDeltas[index] ?? 0;
  });
  return times.engine / (times.engine + times.others);
}

function ownerOf({ functionName, url }: CpuProfile['nodes'][number]['callFrame'], caller: Owner): Owner {
  if (url.includes('/packages/core/dist/')) return caller === 'others' ? 'others' : 'engine';
  if (url !== '' && !url.startsWith('node:')) return 'others';
  if (functionName === '(idle)') return 'idle';
  return caller === 'engine' ? 'engine' : 'others';
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
  const runs: Record<Subject, Measured[]> = { raw: [], pipeline: [] };
  const source = await createTopic(kafka, partitions);
  const order = { brokers: kafka.directBrokers, messages, payloadBytes };
  if (task === 'read') await measure({ ...order, topic: source, task: 'write', subject: 'pipeline', groupId: '' });
  const onTopic = async <Result>(use: (order: Omit<BenchOrder, 'subject'>) => Promise<Result>): Promise<Result> => {
    const topic = task === 'read' ? source : await createTopic(kafka, partitions);
    const result = await use({ ...order, topic, task, groupId: uniqueName('bench') });
    if (task === 'write') await deleteTopic(kafka, topic);
    return result;
  };
  for (let round = 0; round <= rounds; round++) {
    for (const subject of subjects) {
      const measured = await onTopic((of) => measure({ ...of, subject }));
      if (round > 0) runs[subject].push(measured); // the first round warms the caches
    }
  }
  const share = await onTopic((of) => shareOfEngine({ ...of, subject: 'pipeline' }));
  await deleteTopic(kafka, source);
  return resultOf(`${task} ${payloadBytes} B, ${partitions} p`, medians(runs.raw), {
    ...medians(runs.pipeline),
    share,
  });
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

function resultOf(name: string, raw: Measured, ours: Measured & { readonly share: number }): Record<string, unknown> {
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
    'engine % of CPU': Math.round(ours.share * 1000) / 10,
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
