import { until } from '../conformance/deadline.js';
import { uniqueName } from '../unique-name.js';
import type { KafkaServer } from './kafka.js';

/** How a topic for tests differs from others. */
export interface TopicOptions {
  /** Default: one of its own, by {@link uniqueName}. A topic that is there already is used as it is. */
  readonly name?: string;
  /** Default 1. */
  readonly partitions?: number;
  /** Settings of the topic, by their names in Kafka's manual: https://kafka.apache.org/documentation/#topicconfigs */
  readonly settings?: Readonly<Record<string, string>>;
}

const usableMs = 60_000;

/** Makes a topic, past the proxy, and resolves with its name when every partition has a leader that answers. */
export async function createTopic(
  { native }: Pick<KafkaServer, 'native'>,
  { name = uniqueName('topic'), partitions = 1, settings = {} }: TopicOptions = {},
): Promise<string> {
  const configEntries = Object.entries(settings).map(([setting, value]) => ({ name: setting, value }));
  const topic = { topic: name, numPartitions: partitions, configEntries };
  const admin = native.admin();
  await admin.connect();
  try {
    // kafkajs fails when it looks for leaders before the broker has heard of the topic.
    await admin.createTopics({ topics: [topic], waitForLeaders: false });
    const areUsable = async (): Promise<boolean> => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [name] });
      // A leader answers for its partitions only when it has them: before that, kafkajs's producer is refused by one of them and
      // then sends to all of them again.
      await admin.fetchTopicOffsets(name);
      return topics[0]?.partitions.filter(({ leader }) => leader >= 0).length === partitions;
    };
    await until(usableMs, areUsable, `topic "${name}" has ${partitions} partitions whose leaders answer`);
  } finally {
    await admin.disconnect();
  }
  return name;
}
