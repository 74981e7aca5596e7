import type { Assigner, Kafka } from 'kafkajs';
import { encodeSubscription, protocolName } from '../src/group/group-protocol.js';

/** What is taken away from a group. */
export interface Loot {
  readonly groupId: string;
  readonly topic: string;
  readonly partition: number;
}

/** Newer than whatever the other members say. */
const claimedGeneration = 1_000_000;

/**
 * Joins a group as a member that claims to hold a partition already, which the leader believes: so the member that has held it
 * loses it, whatever is fair. Resolves when that one has heard of it and let go.
 */
export async function joinAsThief(
  kafka: Kafka,
  { groupId, topic, partition }: Loot,
): Promise<{ giveBack(): Promise<void> }> {
  const claim = { topics: [topic], owned: [{ topic, partition }], generation: claimedGeneration };
  const assigner: Assigner = {
    name: protocolName,
    version: 0,
    assign: () => Promise.reject(new Error('the thief must not lead the group')),
    protocol: () => ({ name: protocolName, metadata: encodeSubscription(claim) }),
  };
  const consumer = kafka.consumer({
    groupId,
    partitionAssigners: [() => assigner],
    heartbeatInterval: 100,
    maxWaitTimeInMs: 100,
  });
  let generations = 0;
  const { promise: letGo, resolve } = Promise.withResolvers<void>();
  consumer.on('consumer.group_join', ({ payload }) => {
    const stolen = payload.memberAssignment[topic]?.includes(partition) === true;
    // The member joins again, without the partition, when it has let go.
    if (stolen && ++generations === 2) resolve();
  });
  await consumer.connect();
  await consumer.subscribe({ topic });
  await consumer.run({ autoCommit: false, eachMessage: () => Promise.resolve() });
  await letGo;
  return { giveBack: () => consumer.disconnect() };
}
