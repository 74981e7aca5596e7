import { randomUUID } from 'node:crypto';
import type { KafkaServer } from '@sluice/testkit';
import type { IHeaders } from 'kafkajs';
import { sortAbortedTransactions } from './sorted-aborts.js';

/** A record as kafkajs reads it. */
export interface StoredRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestamp: string;
  readonly headers: IHeaders;
}

const allBytes = 10 * 1024 * 1024;
const endKey = Buffer.from('\u0000end of reading');

/**
 * Everything that a read-committed reader finds in a topic now, by partition, read with kafkajs. It writes a mark to the end of
 * each partition and reads up to that, because offsets do not tell where aborted messages and control records end.
 */
export async function readTopic({ native }: KafkaServer, topic: string): Promise<StoredRecord[][]> {
  sortAbortedTransactions();
  const admin = native.admin();
  await admin.connect();
  const partitions = (await admin.fetchTopicOffsets(topic)).map(({ partition }) => partition);
  await admin.disconnect();
  const producer = native.producer({
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition ?? 0,
  });
  await producer.connect();
  const mark = randomUUID();
  await producer.send({ topic, messages: partitions.map((partition) => ({ partition, key: endKey, value: mark })) });
  await producer.disconnect();

  const stored: StoredRecord[][] = partitions.map(() => []);
  const unread = new Set(partitions);
  const done = Promise.withResolvers<void>();
  // All in one answer, as far as that can be: where several transactions that began in an earlier one were aborted, kafkajs takes
  // one of them for open after its marker, and hides what its producer committed later.
  const consumer = native.consumer({ groupId: `reader-${mark}`, maxWaitTimeInMs: 100, maxBytesPerPartition: allBytes });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      const { key, value, timestamp, headers = {} } = message;
      if (key?.equals(endKey) !== true) stored[partition]?.push({ key, value, timestamp, headers });
      else if (value?.toString() === mark) unread.delete(partition);
      if (unread.size === 0) done.resolve();
    },
  });
  await done.promise;
  await consumer.disconnect();
  return stored;
}
