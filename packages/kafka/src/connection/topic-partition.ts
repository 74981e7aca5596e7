import { ConnectorError } from '@sluice/core/driver';

/** One partition of one topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** The name that a partition has in checkpoints: `orders-3`. */
export function partitionName({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}

/** The partition with a name. A topic may have a "-" itself, but a number has none. */
export function parsePartitionName(name: string): TopicPartition {
  const dash = name.lastIndexOf('-');
  const partition = Number(name.slice(dash + 1));
  if (dash < 1 || !Number.isInteger(partition))
    throw new ConnectorError('internal', `"${name}" is not the name of a partition`);
  return { topic: name.slice(0, dash), partition };
}

/** Puts partitions of the same topic together, as requests want them. */
export function groupByTopic<T extends TopicPartition>(partitions: readonly T[]): { topic: string; partitions: T[] }[] {
  const byTopic = Map.groupBy(partitions, ({ topic }) => topic);
  return [...byTopic].map(([topic, each]) => ({ topic, partitions: each }));
}
