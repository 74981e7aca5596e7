import { parseTemplate, type SinkTarget } from '@sluice/core/driver';
import type { KafkaSinkSettings } from '../sink-config.js';
import type { KafkaSourceSettings } from '../source-config.js';

/**
 * The topics that a sink writes to, as far as they are the same for all messages. Two clusters may have topics of one name, so
 * the brokers are part of a target's; and several sinks may write to a topic.
 */
export function targetsOf({
  brokers,
  topic,
  transactional,
  checkpointTopic,
}: KafkaSinkSettings): readonly SinkTarget[] {
  const topics = [
    ...(parseTemplate(topic).fields.length === 0 ? [topic] : []),
    ...(transactional ? [checkpointTopic] : []),
  ];
  return topics.map((name) => ({ name: `${brokers.map(normal).join()}/${name}`, isShared: true }));
}

/** Whether a source reads a target: it has the topic, and a broker in common with it. */
export function readsTarget(
  { brokers, topics, topicPattern, partitions }: KafkaSourceSettings,
  target: string,
): boolean {
  const slash = target.lastIndexOf('/');
  const topic = target.slice(slash + 1);
  const others = target.slice(0, slash).split(',');
  if (!brokers.some((broker) => others.includes(normal(broker)))) return false;
  if (topicPattern !== undefined) return new RegExp(`^(?:${topicPattern})$`).test(topic);
  return topics?.includes(topic) === true || partitions?.some((each) => each.topic === topic) === true;
}

function normal(broker: string): string {
  return broker.toLowerCase();
}
