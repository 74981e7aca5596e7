import { setTimeout as delay } from 'node:timers/promises';
import type { MetadataAnswer } from './api.js';
import { brokerError } from './broker-error.js';
import type { KafkaCluster } from './cluster.js';

/** The partitions of a topic as they are now. */
export interface TopicLayout {
  readonly topic: string;
  /** The broker that leads each partition, by number of the partition; -1 when none does. */
  readonly leaders: readonly number[];
  /** Numbers of the partitions that have a leader; all when none has. */
  readonly available: readonly number[];
}

/** How long a layout is good for. Partitions are added rarely; a leader that has moved is noticed at once, by its refusal. */
const maxAgeMs = 60_000;
/** How long a topic may be on its way through the cluster after it was made. */
const creationMs = 2000;

/** Knows topics, their partitions and who leads them. */
export class TopicDirectory {
  readonly #cluster: KafkaCluster;
  readonly #create: boolean;
  readonly #layouts = new Map<string, { readonly layout: TopicLayout; readonly until: number }>();

  /** @param create Whether topics that do not exist are created, where the cluster allows it */
  constructor(cluster: KafkaCluster, create: boolean) {
    this.#cluster = cluster;
    this.#create = create;
  }

  /** The layout of a topic, undefined when it has to be asked for. */
  known(topic: string, now: number): TopicLayout | undefined {
    const found = this.#layouts.get(topic);
    return found === undefined || found.until < now ? undefined : found.layout;
  }

  /** The broker that leads a partition; undefined when that is not known. */
  leader(topic: string, partition: number): number | undefined {
    const leader = this.#layouts.get(topic)?.layout.leaders[partition];
    return leader === undefined || leader < 0 ? undefined : leader;
  }

  /** Asks for topics anew. Those that cannot be used come back with the reason; other failures throw. */
  async find(topics: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, TopicLayout | Error>> {
    const until = Date.now() + creationMs;
    for (;;) {
      const found = this.#take(await this.#cluster.metadata(topics, this.#create));
      const pending = [...found.values()].some((layout) => layout instanceof Error && mayAppear(layout));
      if (!pending || Date.now() >= until) return found;
      await delay(100, undefined, { ...(signal === undefined ? {} : { signal }) });
    }
  }

  #take({ topicMetadata }: MetadataAnswer): Map<string, TopicLayout | Error> {
    const found = new Map<string, TopicLayout | Error>();
    const until = Date.now() + maxAgeMs;
    for (const { topic, topicErrorCode, partitionMetadata } of topicMetadata) {
      if (topicErrorCode !== 0) {
        this.#layouts.delete(topic);
        found.set(topic, brokerError(topicErrorCode, { topic }));
        continue;
      }
      const leaders: number[] = [];
      for (const { partitionId, leader } of partitionMetadata) leaders[partitionId] = leader;
      const led = [...leaders.keys()].filter((partition) => (leaders[partition] ?? -1) >= 0);
      const layout = { topic, leaders, available: led.length > 0 ? led : [...leaders.keys()] };
      this.#layouts.set(topic, { layout, until });
      found.set(topic, layout);
    }
    return found;
  }
}

function mayAppear(error: Error): boolean {
  return 'type' in error && (error.type === 'UNKNOWN_TOPIC_OR_PARTITION' || error.type === 'LEADER_NOT_AVAILABLE');
}
