import { ConnectorError } from '@sluice/core/driver';
import type { KafkaSourceSettings } from '../source-config.js';
import type { KafkaCluster } from './cluster.js';
import { protocolError } from './protocol.js';
import { partitionName, type TopicPartition } from './topic-partition.js';

const notFound = 3;
/** Partitions are told of also while their leader is being chosen. */
const leaderless = new Set([0, 5, 9]);

/** What of the config chooses topics. */
export type TopicChoice = Pick<KafkaSourceSettings, 'topics' | 'topicPattern' | 'partitions'>;

/** The topics that a source reads, with their partitions and who leads each, as they were when they were looked up last. */
export class TopicTable {
  readonly #cluster: KafkaCluster;
  readonly #choice: TopicChoice;
  readonly #pattern: RegExp | undefined;
  #leaders = new Map<string, number>();
  #partitions: readonly TopicPartition[] = [];
  #refreshing: Promise<void> | undefined;

  constructor(cluster: KafkaCluster, choice: TopicChoice) {
    this.#cluster = cluster;
    this.#choice = choice;
    this.#pattern = choice.topicPattern === undefined ? undefined : new RegExp(`^(?:${choice.topicPattern})$`);
  }

  /** All partitions to read, of whichever member. */
  get partitions(): readonly TopicPartition[] {
    return this.#partitions;
  }

  /** Names of the topics to read. */
  get topics(): readonly string[] {
    return [...new Set(this.#partitions.map(({ topic }) => topic))];
  }

  /** Id of the broker that leads a partition; undefined when it has no leader now, or is not known. */
  leaderOf(partition: TopicPartition): number | undefined {
    return this.#leaders.get(partitionName(partition));
  }

  /** Looks everything up again; what is under way is waited for. Rejects with the error of a topic that cannot be read. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #refresh(): Promise<void> {
    const { topics, partitions } = this.#choice;
    const named = topics ?? (partitions === undefined ? undefined : [...new Set(partitions.map(({ topic }) => topic))]);
    const { topicMetadata } = await this.#cluster.metadata(named ?? 'all');
    const leaders = new Map<string, number>();
    const found: TopicPartition[] = [];
    for (const { topic, topicErrorCode, isInternal, partitionMetadata } of topicMetadata) {
      if (named === undefined && (isInternal || this.#pattern?.test(topic) !== true)) continue;
      // A topic of a pattern that is being deleted is none of it any more.
      if (named === undefined && topicErrorCode === notFound) continue;
      if (!leaderless.has(topicErrorCode)) throw topicError(topicErrorCode, topic);
      for (const { partitionId: partition, leader } of partitionMetadata) {
        found.push({ topic, partition });
        if (leader >= 0) leaders.set(partitionName({ topic, partition }), leader);
      }
    }
    this.#leaders = leaders;
    this.#partitions = partitions === undefined ? found : chosen(partitions, found);
  }
}

function chosen(wanted: readonly TopicPartition[], found: readonly TopicPartition[]): readonly TopicPartition[] {
  const known = new Set(found.map(partitionName));
  const missing = wanted.find((each) => !known.has(partitionName(each)));
  if (missing !== undefined) {
    const text = `topic "${missing.topic}" has no partition ${missing.partition}. Check the number, or add partitions to it.`;
    throw new ConnectorError('not_found', text);
  }
  return wanted.map(({ topic, partition }) => ({ topic, partition }));
}

function topicError(code: number, topic: string): Error {
  return Object.assign(protocolError(code), { topic });
}
