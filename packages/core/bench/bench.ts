// What the engine costs: pipelines from a source of ready messages to a sink that forgets them, with tracker, checkpoints and
// metrics on, each in turn with a hand-written loop over the same drivers. Counted is the CPU time of the whole process,
// because other work on the machine changes it least. `--json` prints the result as JSON. Exits with 1 when a pipeline needs more
// than double its target.
import {
  type CodecName,
  createMessage,
  filter,
  type Message,
  map,
  memoryCheckpoints,
  pipeline,
  type Transform,
  withPayload,
} from '@sluice/core';
import {
  type Connector,
  defineConnector,
  type SinkDriver,
  type SourceBatch,
  type SourceDriver,
  z,
} from '@sluice/core/driver';
import { collectMetrics } from './metrics.js';

const runs = 5;
const durationMs = 500;

/** A pipeline, and the hand-written loop over the same drivers that is measured beside it. */
interface Case {
  readonly name: string;
  readonly per: 'message' | 'batch';
  /** What the pipeline may need for each of these, in nanoseconds. */
  readonly targetNs?: number;
  readonly message: Message;
  readonly batchMessages: number;
  readonly partitions: number;
  readonly flushes: boolean;
  readonly codec?: CodecName;
  readonly transforms: readonly Transform[];
  /** What the hand-written loop does with a batch. */
  readonly byHand: (messages: readonly Message[]) => readonly Message[];
}

const plain = {
  per: 'message',
  message: createMessage({
    topic: 'orders',
    key: 'a key',
    payload: Buffer.alloc(100, 'x'),
    timestamp: 1_700_000_000_000,
  }),
  batchMessages: 500,
  partitions: 1,
  flushes: false,
  transforms: [],
  byHand: (messages) => messages,
} satisfies Omit<Case, 'name'>;

const replacement = Buffer.alloc(50, 'y');
const order = { id: 4711, customer: 'Ada', items: ['tea', 'biscuits'], total: 12.5, paid: true, note: 'at the door' };

const cases: readonly Case[] = [
  { ...plain, name: 'passing through', targetNs: 25 },
  {
    ...plain,
    name: 'a map and a filter',
    targetNs: 100,
    transforms: [map(replaced), filter(tenthsLeftOut())],
    byHand: mapAndFilterByHand(),
  },
  { ...plain, name: 'batches of one', per: 'batch', targetNs: 20_000, batchMessages: 1 },
  { ...plain, name: '8 partitions', partitions: 8 },
  { ...plain, name: 'a sink that flushes', flushes: true },
  {
    ...plain,
    name: 'JSON, a map, JSON',
    message: withPayload(plain.message, Buffer.from(JSON.stringify(order))),
    codec: 'json',
    transforms: [map((message) => withPayload(message, withTax(message.payload as Order)))], // what was decoded is an order
    byHand: jsonByHand,
  },
];

function replaced(message: Message): Message {
  return withPayload(message, replacement);
}

/** Lets nine of ten messages through. */
function tenthsLeftOut(): (message: Message) => boolean {
  let seen = 0;
  return () => ++seen % 10 !== 0;
}

function mapAndFilterByHand(): Case['byHand'] {
  const passes = tenthsLeftOut();
  return (messages) => {
    const kept: Message[] = [];
    for (const message of messages) {
      const mapped = replaced(message);
      if (passes(mapped)) kept.push(mapped);
    }
    return kept;
  };
}

type Order = typeof order;

function withTax(from: Order): Order {
  return { ...from, total: from.total * 1.2 };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function jsonByHand(messages: readonly Message[]): readonly Message[] {
  const made: Message[] = [];
  for (const message of messages) {
    const decoded = JSON.parse(utf8.decode(message.payload as Uint8Array)) as Order; // as this case made them
    made.push(withPayload(message, Buffer.from(JSON.stringify(withTax(decoded)))));
  }
  return made;
}

/** Runs the pipeline of a case until its source ends. */
async function runPipeline({ codec, transforms, flushes }: Case, feed: Feed): Promise<void> {
  const { received, unsettled } = await pipeline({
    name: 'bench',
    source: inProcess.source({}, codec === undefined ? { feed } : { feed, codec }),
    transforms,
    sink: inProcess.sink({}, { flushes }),
    checkpoints: memoryCheckpoints(),
    // Ten times as often as by default, so that a short run has several checkpoints.
    flush: { intervalMs: 100 },
  }).run();
  if (received !== feed.batches * feed.messages.length || unsettled > 0) throw new Error('the pipeline lost messages');
}

/** The same work by hand: no retry, no checkpoint, no metrics. */
async function runByHand({ byHand, flushes }: Case, feed: Feed): Promise<void> {
  const source = openFeed(feed);
  const sink = openDrop(flushes);
  const { signal } = new AbortController();
  const readPartition = async (partition: string): Promise<void> => {
    const reading = { maxMessages: feed.messages.length, maxBytes: 1024 * 1024, signal };
    for await (const { messages, position } of source.read(partition, undefined, reading)) {
      const written = byHand(messages);
      await sink.write({ messages: written, slices: [{ partition, from: 0, to: written.length, position }] }, signal);
    }
  };
  await Promise.all(Array.from({ length: feed.partitions }, (_, index) => readPartition(String(index))));
  await sink.flush?.({}, signal);
}

/** What a source gives, and what it has given. */
interface Feed {
  /** The messages of every batch: the same ones again and again. */
  readonly messages: readonly Message[];
  readonly partitions: number;
  readonly durationMs: number;
  /** Batches that were read, of all partitions. */
  batches: number;
}

const nothing = z.strictObject({});

/** A system that costs next to nothing: a source of ready messages, and a sink that forgets what it is given. */
const inProcess: Connector<typeof nothing, { readonly feed: Feed }, typeof nothing, { readonly flushes: boolean }> =
  defineConnector({
    name: 'in-process',
    title: 'This process',
    contract: 1,
    source: {
      config: nothing,
      capabilities: () => ({
        position: 'engine',
        replayable: true,
        order: 'partition',
        bounded: true,
        window: false,
        changes: false,
        keyed: false,
      }),
      open: (_config, { feed }) => Promise.resolve(openFeed(feed)),
    },
    sink: {
      config: nothing,
      capabilities: () => ({
        atomic: false,
        idempotent: false,
        overlap: 'partitions',
        payload: 'bytes',
        changes: false,
        preferred: { maxMessages: 500, maxBytes: 1024 * 1024, maxInFlight: 4 },
      }),
      open: (_config, { flushes }) => Promise.resolve(openDrop(flushes)),
    },
  });

function openFeed(feed: Feed): SourceDriver {
  const partitions = Array.from({ length: feed.partitions }, (_, index) => String(index));
  return {
    async *partitions() {
      yield partitions;
    },
    read: () => read(feed),
    close: () => Promise.resolve(),
  };
}

async function* read(feed: Feed): AsyncGenerator<SourceBatch> {
  const { messages } = feed;
  const bytes = messages.length * 100;
  const end = performance.now() + feed.durationMs;
  for (let position = messages.length; performance.now() < end; position += messages.length) {
    feed.batches++;
    yield { messages, position, bytes };
  }
}

function openDrop(flushes: boolean): SinkDriver {
  return {
    write: () => Promise.resolve(),
    ...(flushes ? { flush: () => Promise.resolve() } : {}),
    close: () => Promise.resolve(),
  };
}

/** The median of the runs, in nanoseconds for each message or batch. */
interface Result {
  readonly name: string;
  readonly per: Case['per'];
  readonly targetNs?: number;
  readonly byHandNs: number;
  readonly pipelineNs: number;
  /** Throughput of the pipeline compared with the loop. */
  readonly ratio: number;
}

type Run = (of: Case, feed: Feed) => Promise<void>;

/** CPU nanoseconds for each message or batch. No garbage is collected by force before: that throws compiled code away too. */
async function measure(run: Run, of: Case): Promise<number> {
  const messages = Array.from({ length: of.batchMessages }, () => withPayload(of.message, of.message.payload));
  const feed: Feed = { messages, partitions: of.partitions, durationMs, batches: 0 };
  const before = process.cpuUsage();
  await run(of, feed);
  const { user, system } = process.cpuUsage(before);
  const count = of.per === 'batch' ? feed.batches : feed.batches * of.batchMessages;
  return ((user + system) * 1000) / count;
}

/** All cases in turn in every run, so that whatever else the machine does meets each of them. */
async function measureAll(): Promise<Result[]> {
  const byHand = cases.map((): number[] => []);
  const engine = cases.map((): number[] => []);
  // The first run warms the code up and does not count.
  for (let run = 0; run <= runs; run++) {
    for (const [index, of] of cases.entries()) {
      const ns = [await measure(runByHand, of), await measure(runPipeline, of)] as const;
      if (run === 0) continue;
      byHand[index]?.push(ns[0]);
      engine[index]?.push(ns[1]);
    }
  }
  return cases.map(({ name, per, targetNs }, index) => {
    const byHandNs = median(byHand[index] ?? []);
    const pipelineNs = median(engine[index] ?? []);
    const ratio = byHandNs / pipelineNs;
    return { name, per, ...(targetNs === undefined ? {} : { targetNs }), byHandNs, pipelineNs, ratio };
  });
}

const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[of.length >> 1] ?? Number.NaN;

function print(results: readonly Result[]): void {
  console.log(`CPU time, median of ${runs} runs of ${durationMs} ms in turn; batches of 500 but where it says one`);
  console.table(
    results.map(({ name, per, targetNs, byHandNs, pipelineNs, ratio }) => ({
      pipeline: name,
      'by hand': `${byHandNs.toFixed(1)} ns`,
      'with the engine': `${pipelineNs.toFixed(1)} ns`,
      target: targetNs === undefined ? '' : `${targetNs} ns`,
      per,
      ratio: ratio.toFixed(3),
    })),
  );
}

await using _metrics = collectMetrics();
const results = await measureAll();
const missed = results
  .filter(({ targetNs, pipelineNs }) => pipelineNs > 2 * (targetNs ?? Number.POSITIVE_INFINITY))
  .map(
    ({ name, per, targetNs, pipelineNs }) => `${name}: ${pipelineNs.toFixed(1)} ns per ${per}, target ${targetNs} ns`,
  );
if (process.argv.includes('--json')) console.log(JSON.stringify({ runs, durationMs, results, missed }, null, 2));
else print(results);
for (const text of missed) console.error(`missed by more than double: ${text}`);
if (missed.length > 0) process.exitCode = 1;
