import type { JoinGroupAnswer } from '../connection/api.js';
import type { BrokerConnection } from '../connection/broker-connection.js';
import type { KafkaCluster } from '../connection/cluster.js';
import { protocolError } from '../connection/protocol.js';
import { groupByTopic, partitionName, type TopicPartition } from '../connection/topic-partition.js';
import type { KafkaSourceSettings } from '../source-config.js';
import { assignCooperatively } from './cooperative-assignor.js';
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  protocolName,
} from './group-protocol.js';

/** What of the config concerns the group. */
export type GroupSettings = Pick<
  KafkaSourceSettings,
  'groupInstanceId' | 'sessionTimeoutMs' | 'heartbeatIntervalMs' | 'rebalanceTimeoutMs'
> & { readonly groupId: string };

const memberIdRequired = 79;
const ownLeaveMs = 1000;
const goneCoordinator = new Set(['NOT_COORDINATOR_FOR_GROUP', 'GROUP_COORDINATOR_NOT_AVAILABLE']);

/** What a joining member brings along. */
export interface Joining {
  readonly topics: readonly string[];
  readonly owned: readonly TopicPartition[];
}

/**
 * The requests of one member of a group, in the order of the protocol: join, sync, heartbeat, commit, leave. Each goes out
 * once; what to do about a failure is for who calls.
 *
 * @see https://kafka.apache.org/protocol (JoinGroup, SyncGroup, Heartbeat, OffsetCommit, OffsetFetch, LeaveGroup)
 */
export class GroupSession {
  readonly #cluster: KafkaCluster;
  readonly #settings: GroupSettings;
  #coordinator: number | undefined;
  #memberId = '';
  #generation = -1;
  /** How many partitions each topic had when this member, as the leader, assigned them; undefined when it is not the leader. */
  #counted: ReadonlyMap<string, number> | undefined;

  constructor(cluster: KafkaCluster, settings: GroupSettings) {
    this.#cluster = cluster;
    this.#settings = settings;
  }

  /** Grows with each rebalance; -1 before the first. */
  get generation(): number {
    return this.#generation;
  }

  /** Joins and waits until all members have; resolves with what this one is to hold. */
  async join({ topics, owned }: Joining): Promise<readonly TopicPartition[]> {
    const { groupId, groupInstanceId = null, sessionTimeoutMs, rebalanceTimeoutMs } = this.#settings;
    const metadata = encodeSubscription({ topics, owned, generation: owned.length === 0 ? -1 : this.#generation });
    const connection = await this.#connection('group');
    const send = (): Promise<JoinGroupAnswer> =>
      connection.request(
        'JoinGroup',
        {
          groupId,
          groupInstanceId,
          sessionTimeout: sessionTimeoutMs,
          rebalanceTimeout: rebalanceTimeoutMs,
          memberId: this.#memberId,
          protocolType: 'consumer',
          groupProtocols: [{ name: protocolName, metadata }],
        },
        { atLeast: 5 },
      );
    let answer = await this.#checked(send());
    if (answer.errorCode === memberIdRequired) {
      this.#memberId = answer.memberId;
      answer = await this.#checked(send());
    }
    this.#memberId = answer.memberId;
    this.#generation = answer.generationId;
    return this.#sync(connection, answer);
  }

  async heartbeat(): Promise<void> {
    const { groupId, groupInstanceId = null } = this.#settings;
    const connection = await this.#connection('group');
    const fields = { groupId, groupInstanceId, memberId: this.#memberId, groupGenerationId: this.#generation };
    await this.#checked(connection.request('Heartbeat', fields, { atLeast: 3 }));
  }

  async commit(partition: TopicPartition, offset: number): Promise<void> {
    const { groupId } = this.#settings;
    const connection = await this.#connection('commit');
    const { responses } = await connection.request(
      'OffsetCommit',
      {
        groupId,
        memberId: this.#memberId,
        groupGenerationId: this.#generation,
        topics: groupByTopic([{ ...partition, offset: String(offset) }]),
      },
      { atLeast: 5 },
    );
    for (const { partitions } of responses) for (const { errorCode } of partitions) this.#throwOf(errorCode, partition);
  }

  /** The offset that the group has committed; undefined when it has none. */
  async committed(partition: TopicPartition): Promise<number | undefined> {
    const connection = await this.#connection('commit');
    const fields = { groupId: this.#settings.groupId, topics: groupByTopic([partition]) };
    const { responses } = await this.#checked(connection.request('OffsetFetch', fields, { atLeast: 2 }));
    const found = responses[0]?.partitions[0];
    this.#throwOf(found?.errorCode ?? 0, partition);
    const offset = Number(found?.offset ?? -1);
    return offset < 0 ? undefined : offset;
  }

  /** Tells the group that this member is gone, so that it does not wait for it. A static member stays: it is to come back. */
  async leave(): Promise<void> {
    const { groupId, groupInstanceId } = this.#settings;
    if (this.#memberId === '' || groupInstanceId !== undefined) return;
    const connection = await this.#connection('commit');
    const fields = { groupId, groupInstanceId: null, memberId: this.#memberId };
    await connection.request('LeaveGroup', fields, { atLeast: 3, timeoutMs: ownLeaveMs });
  }

  /** The group does not know this member any more: it joins as a new one. */
  forget(): void {
    this.#memberId = '';
    this.#generation = -1;
  }

  /** Whether the topics have other partitions now than those that this member, as the leader, has assigned. */
  outdated(partitions: readonly TopicPartition[]): boolean {
    if (this.#counted === undefined) return false;
    const counts = Map.groupBy(partitions, ({ topic }) => topic);
    return [...counts].some(([topic, each]) => each.length !== (this.#counted?.get(topic) ?? 0));
  }

  async #sync(connection: BrokerConnection, joined: JoinGroupAnswer): Promise<readonly TopicPartition[]> {
    const { groupId, groupInstanceId = null } = this.#settings;
    const leading = joined.leaderId === joined.memberId;
    this.#counted = undefined;
    const fields = {
      groupId,
      groupInstanceId,
      memberId: this.#memberId,
      generationId: this.#generation,
      groupAssignment: leading ? await this.#assign(joined) : [],
    };
    const { memberAssignment } = await this.#checked(connection.request('SyncGroup', fields, { atLeast: 3 }));
    return decodeAssignment(memberAssignment);
  }

  /** What the leader assigns to each member. */
  async #assign({ members }: JoinGroupAnswer): Promise<{ memberId: string; memberAssignment: Buffer }[]> {
    const subscribed = members.map(({ memberId, memberMetadata }) => ({
      memberId,
      ...decodeSubscription(memberMetadata),
    }));
    const topics = [...new Set(subscribed.flatMap((member) => member.topics))];
    const { topicMetadata } = await this.#cluster.metadata(topics);
    const partitions = topicMetadata.flatMap(({ topic, partitionMetadata }) =>
      partitionMetadata.map(({ partitionId: partition }) => ({ topic, partition })),
    );
    this.#counted = new Map(topicMetadata.map(({ topic, partitionMetadata }) => [topic, partitionMetadata.length]));
    partitions.sort((a, b) => (partitionName(a) < partitionName(b) ? -1 : 1));
    const assigned = assignCooperatively(subscribed, partitions);
    return [...assigned].map(([memberId, each]) => ({ memberId, memberAssignment: encodeAssignment(each) }));
  }

  async #connection(lane: 'group' | 'commit'): Promise<BrokerConnection> {
    this.#coordinator ??= await this.#cluster.coordinator('group', this.#settings.groupId);
    try {
      return await this.#cluster.connection(this.#coordinator, lane);
    } catch (error) {
      this.#coordinator = undefined;
      throw error;
    }
  }

  async #checked<Answer extends { readonly errorCode: number }>(asking: Promise<Answer>): Promise<Answer> {
    const answer = await asking;
    if (answer.errorCode !== memberIdRequired) this.#throwOf(answer.errorCode);
    return answer;
  }

  #throwOf(errorCode: number, partition?: TopicPartition): void {
    if (errorCode === 0) return;
    const error = protocolError(errorCode);
    if ('type' in error && goneCoordinator.has(String(error.type))) this.#coordinator = undefined;
    throw Object.assign(error, partition);
  }
}
