// Copies numbers from a source that can be read again into Kafka, in transactions, until it is killed or has copied them all.
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { createMessage, pipeline } from '@sluice/core';
import { defineConnector, z } from '@sluice/core/driver';
import { kafka } from '../src/index.js';

/** What a run is told. */
export interface KillOrder {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly pipeline: string;
  readonly partitions: readonly string[];
  readonly total: number;
}

const order = JSON.parse(process.argv[2] ?? '') as KillOrder;
const messagesPerBatch = 20;

const numbers = defineConnector({
  name: 'numbers',
  title: 'Numbers',
  contract: 1,
  source: {
    config: z.strictObject({}),
    capabilities: () => ({
      position: 'engine',
      replayable: true,
      order: 'partition',
      bounded: true,
      window: false,
      changes: false,
      keyed: false,
    }),
    open: async () => ({
      async *partitions() {
        yield order.partitions;
      },
      async *read(partition, position) {
        for (let next = Number(position ?? 0); next < order.total; next += messagesPerBatch) {
          const messages = Array.from({ length: messagesPerBatch }, (_, index) =>
            createMessage({ key: partition, payload: Buffer.from(String(next + index)) }),
          );
          yield { messages, position: next + messagesPerBatch, bytes: 1000 };
          await turnOfTheLoop();
        }
      },
      close: async () => undefined,
    }),
  },
});

const { brokers, topic } = order;
const copy = pipeline({
  name: order.pipeline,
  source: numbers.source({}),
  sink: kafka.sink({ brokers, topic, transactional: true }),
  flush: { intervalMs: 20 },
});
console.log(copy.guarantee.summary);
await copy.run();
