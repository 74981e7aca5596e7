import { setTimeout as pause } from 'node:timers/promises';
import type { KafkaServer } from '@sluice/testkit';

/** Makes topics; resolves when they can be used. */
export async function createTopics(
  { native }: KafkaServer,
  topics: readonly string[],
  numPartitions: number,
): Promise<void> {
  const admin = native.admin();
  await admin.connect();
  // kafkajs fails when it looks for leaders before the broker has heard of the topics.
  await admin.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions })), waitForLeaders: false });
  const areUsable = async (): Promise<boolean> => {
    const known = await admin.fetchTopicMetadata({ topics: [...topics] });
    // The leaders answer for their partitions only when they have them: before that, kafkajs's producer is refused by one of
    // them and then sends to all of them again.
    await Promise.all(topics.map((topic) => admin.fetchTopicOffsets(topic)));
    return known.topics.every(
      ({ partitions }) => partitions.filter(({ leader }) => leader >= 0).length === numPartitions,
    );
  };
  while (!(await areUsable().catch(() => false))) await pause(20);
  await admin.disconnect();
}
