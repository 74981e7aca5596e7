import { partitionName, type TopicPartition } from '../connection/topic-partition.js';
import type { Subscription } from './group-protocol.js';

/** A member of a group, as its leader sees it. */
export interface AssignedMember extends Subscription {
  readonly memberId: string;
}

/**
 * Spreads partitions evenly over the members that subscribe to their topics, and leaves with each member as many as it can of
 * those it holds. A partition that has to move is given to nobody as long as its holder has it: the holder lets it go,
 * joins again, and then it is free. So a rebalance stops no partition that does not move.
 */
export function assignCooperatively(
  members: readonly AssignedMember[],
  partitions: readonly TopicPartition[],
): Map<string, TopicPartition[]> {
  const holders = holdersOf(members);
  const loads = new Map(members.toSorted(byId).map((member) => [member, new Map<string, TopicPartition>()]));
  const unheld: TopicPartition[] = [];
  for (const partition of partitions) {
    const holder = holders.get(partitionName(partition));
    if (holder?.topics.includes(partition.topic)) loads.get(holder)?.set(partitionName(partition), partition);
    else unheld.push(partition);
  }
  for (const partition of unheld) {
    const taker = leastLoaded(loads, partition.topic);
    if (taker !== undefined) loads.get(taker)?.set(partitionName(partition), partition);
  }
  even(loads);
  return new Map(
    [...loads].map(([member, load]) => [
      member.memberId,
      [...load.values()].filter((partition) => (holders.get(partitionName(partition)) ?? member) === member),
    ]),
  );
}

type Loads = Map<AssignedMember, Map<string, TopicPartition>>;

/** Who holds what. Of several that say so, the one of the newest generation does; of two of the same, neither. */
function holdersOf(members: readonly AssignedMember[]): Map<string, AssignedMember> {
  const holders = new Map<string, AssignedMember>();
  const disputed = new Set<string>();
  for (const member of members) {
    for (const partition of member.owned) {
      const name = partitionName(partition);
      const other = holders.get(name);
      if (other !== undefined && other.generation === member.generation) disputed.add(name);
      if (other !== undefined && other.generation >= member.generation) continue;
      holders.set(name, member);
      disputed.delete(name);
    }
  }
  for (const name of disputed) holders.delete(name);
  return holders;
}

/** Moves partitions from the fullest to the emptiest member that takes them, until no move makes it more even. */
function even(loads: Loads): void {
  for (let moved = true; moved; ) {
    moved = false;
    const fullest = [...loads].toSorted(([, a], [, b]) => b.size - a.size);
    for (const [, load] of fullest) {
      for (const [name, partition] of load) {
        const taker = leastLoaded(loads, partition.topic);
        const taken = taker === undefined ? undefined : loads.get(taker);
        if (taken === undefined || taken.size + 1 >= load.size) continue;
        load.delete(name);
        taken.set(name, partition);
        moved = true;
        break;
      }
      if (moved) break;
    }
  }
}

function leastLoaded(loads: Loads, topic: string): AssignedMember | undefined {
  let least: AssignedMember | undefined;
  for (const [member, load] of loads) {
    if (!member.topics.includes(topic)) continue;
    if (least === undefined || load.size < (loads.get(least)?.size ?? 0)) least = member;
  }
  return least;
}

function byId(a: AssignedMember, b: AssignedMember): number {
  return a.memberId < b.memberId ? -1 : 1;
}
