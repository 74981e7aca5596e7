import type { KafkaCluster } from '../connection/cluster.js';
import { protocolError } from '../connection/protocol.js';
import { groupByTopic, partitionName, type TopicPartition } from '../connection/topic-partition.js';
import type { TopicTable } from '../connection/topic-table.js';
import type { KafkaSourceSettings, KafkaStart } from '../source-config.js';

/** Times that stand for an end of a partition, as the protocol has them. */
const latest = -1;
const earliest = -2;

/** What a time that nothing is as new as is answered with. */
const nothing = -1;

/** A time to look up in a partition. */
interface OffsetQuery extends TopicPartition {
  readonly timestamp: number;
}

/** Looks up offsets in a cluster. */
export interface OffsetLookup {
  readonly cluster: KafkaCluster;
  readonly topics: TopicTable;
  readonly isolation: KafkaSourceSettings['isolation'];
}

/** The offset where a partition is to be read from. */
export async function startOffset(lookup: OffsetLookup, partition: TopicPartition, start: KafkaStart): Promise<number> {
  if (typeof start === 'object' && 'offset' in start) return start.offset;
  if (start === 'earliest') return one(lookup, { ...partition, timestamp: earliest });
  if (start === 'latest') return one(lookup, { ...partition, timestamp: latest });
  const { timestamp } = start;
  const time = typeof timestamp === 'number' ? timestamp : Date.parse(timestamp);
  const found = await one(lookup, { ...partition, timestamp: time });
  return found === nothing ? one(lookup, { ...partition, timestamp: latest }) : found;
}

/** The offset after the last message of each partition that a reader of this isolation may see, by the partition's name. */
export function endOffsets(lookup: OffsetLookup, partitions: readonly TopicPartition[]): Promise<Map<string, number>> {
  return find(
    lookup,
    partitions.map((each) => ({ ...each, timestamp: latest })),
  );
}

/** The offset of the first message that each partition still has, by the partition's name. */
export function beginOffsets(
  lookup: OffsetLookup,
  partitions: readonly TopicPartition[],
): Promise<Map<string, number>> {
  return find(
    lookup,
    partitions.map((each) => ({ ...each, timestamp: earliest })),
  );
}

async function one(lookup: OffsetLookup, query: OffsetQuery): Promise<number> {
  const found = (await find(lookup, [query])).get(partitionName(query));
  if (found === undefined) throw Object.assign(protocolError(5), query);
  return found;
}

async function find(lookup: OffsetLookup, queries: readonly OffsetQuery[]): Promise<Map<string, number>> {
  const { cluster, topics, isolation } = lookup;
  if (queries.some((query) => topics.leaderOf(query) === undefined)) await topics.refresh();
  const found = new Map<string, number>();
  const byLeader = Map.groupBy(queries, (query) => topics.leaderOf(query));
  for (const [leader, wanted] of byLeader) {
    if (leader === undefined) throw Object.assign(protocolError(5), wanted[0]);
    const connection = await cluster.connection(leader, 'requests');
    const fields = { isolationLevel: isolation === 'read_committed' ? 1 : 0, topics: groupByTopic(wanted) };
    const { responses } = await connection.request('ListOffsets', fields, { atLeast: 2 });
    for (const { topic, partitions } of responses) {
      for (const { partition, errorCode, offset } of partitions) {
        if (errorCode !== 0) {
          // Most likely the leader has moved: whoever tries again asks the new one.
          await topics.refresh();
          throw Object.assign(protocolError(errorCode), { topic, partition });
        }
        found.set(partitionName({ topic, partition }), Number(offset));
      }
    }
  }
  return found;
}
