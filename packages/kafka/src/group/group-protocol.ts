import { Decoder, Encoder } from '../connection/protocol.js';
import { groupByTopic, type TopicPartition } from '../connection/topic-partition.js';

/** What a member tells the leader of its group when it joins. */
export interface Subscription {
  readonly topics: readonly string[];
  /** What it holds and goes on reading while the group rebalances. */
  readonly owned: readonly TopicPartition[];
  /** The generation in which it was given these; -1 when it holds none. */
  readonly generation: number;
}

/** The name by which members agree on this way to assign; the Java client has the same one. */
export const protocolName = 'cooperative-sticky';

const subscriptionVersion = 2;
const assignmentVersion = 0;

/** @see https://kafka.apache.org/protocol (ConsumerProtocolSubscription) */
export function encodeSubscription({ topics, owned, generation }: Subscription): Buffer {
  return new Encoder()
    .writeInt16(subscriptionVersion)
    .writeArray([...topics])
    .writeBytes(null)
    .writeArray(groupByTopic(owned).map(encodeTopic))
    .writeInt32(generation).buffer;
}

/** Reads what any version says of what is used here; older ones do not tell what a member owns. */
export function decodeSubscription(bytes: Buffer): Subscription {
  const decoder = new Decoder(bytes);
  const version = decoder.readInt16();
  const topics = decoder.readArray((each) => each.readString());
  const userData = decoder.readBytes();
  const owned = version >= 1 ? decodeTopics(decoder) : [];
  if (version >= 2) return { topics, owned, generation: decoder.readInt32() };
  // The Java client of that time put the generation here.
  return { topics, owned, generation: userData !== null && userData.length >= 4 ? userData.readInt32BE(0) : -1 };
}

/** @see https://kafka.apache.org/protocol (ConsumerProtocolAssignment) */
export function encodeAssignment(partitions: readonly TopicPartition[]): Buffer {
  return new Encoder()
    .writeInt16(assignmentVersion)
    .writeArray(groupByTopic(partitions).map(encodeTopic))
    .writeBytes(null).buffer;
}

/** A member that the leader has forgotten gets no bytes at all, and holds nothing. */
export function decodeAssignment(bytes: Buffer): readonly TopicPartition[] {
  const decoder = new Decoder(bytes);
  if (!decoder.canReadInt16()) return [];
  decoder.readInt16();
  return decodeTopics(decoder);
}

function encodeTopic({
  topic,
  partitions,
}: {
  topic: string;
  partitions: TopicPartition[];
}): InstanceType<typeof Encoder> {
  return new Encoder().writeString(topic).writeArray(partitions.map(({ partition }) => partition));
}

function decodeTopics(decoder: InstanceType<typeof Decoder>): TopicPartition[] {
  const topics = decoder.readArray((each) => {
    const topic = each.readString();
    return each.readArray((inner) => ({ topic, partition: inner.readInt32() }));
  });
  return topics.flat();
}
