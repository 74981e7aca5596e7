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
import { type Feed, inProcess, openDrop, openFeed } from './in-process.ts';

/** A pipeline, and the hand-written loop over the same drivers that is measured beside it. */
export interface Case {
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
  message: createMessage({ topic: 'orders', key: 'a key', payload: Buffer.alloc(100, 'x'), timestamp: 1_700_000_000_000 }),
  batchMessages: 500,
  partitions: 1,
  flushes: false,
  transforms: [],
  byHand: (messages) => messages,
} satisfies Omit<Case, 'name'>;

const replacement = Buffer.alloc(50, 'y');
const order = { id: 4711, customer: 'Ada', items: ['tea', 'biscuits'], total: 12.5, paid: true, note: 'at the door' };

export const cases: readonly Case[] = [
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
export async function runPipeline({ codec, transforms, flushes }: Case, feed: Feed): Promise<void> {
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
export async function runByHand({ byHand, flushes }: Case, feed: Feed): Promise<void> {
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
