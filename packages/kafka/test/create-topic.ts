import { setTimeout as pause } from 'node:timers/promises';
import { type KafkaServer, uniqueName } from '@sluice/testkit';

/** Makes a topic for one test and resolves with its name when it can be used. */
export async function createTopic(
  { native }: KafkaServer,
  numPartitions = 1,
  settings: Readonly<Record<string, string>> = {},
): Promise<string> {
  const topic = uniqueName('topic');
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  const admin = native.admin();
  await admin.connect();
  // kafkajs fails when it looks for leaders before the broker has heard of the topic.
  await admin.createTopics({ topics: [{ topic, numPartitions, configEntries }], waitForLeaders: false });
  const isUsable = async (): Promise<boolean> => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    // A leader answers for its partitions only when it has them: before that, kafkajs's producer is refused by one of them and
    // then sends to all of them again.
    await admin.fetchTopicOffsets(topic);
    const partitions = topics[0]?.partitions ?? [];
    return partitions.length === numPartitions && partitions.every(({ leader }) => leader >= 0);
  };
  while (!(await isUsable().catch(() => false))) await pause(20);
  await admin.disconnect();
  return topic;
}
