import { randomUUID } from 'node:crypto';
import type { KafkaServer } from '@sluice/testkit';
import { waitUntil } from '#demo/wait-until';

/** A message as a native client reads it. */
export interface SeenMessage {
  readonly key: string | undefined;
  readonly value: string;
}

/** Resolves with what a reader of committed messages sees in a topic, as text, once that are so many. */
export async function messagesIn(
  { native }: KafkaServer,
  topic: string,
  count: number,
): Promise<readonly SeenMessage[]> {
  const consumer = native.consumer({ groupId: randomUUID(), maxWaitTimeInMs: 100 });
  const seen: SeenMessage[] = [];
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message }) => {
      seen.push({ key: message.key?.toString(), value: String(message.value) });
    },
  });
  try {
    const enough = { what: `${count} messages in ${topic}`, limitMs: 30_000, everyMs: 50 };
    await waitUntil(enough, () => seen.length >= count);
  } finally {
    await consumer.disconnect();
  }
  return seen;
}
