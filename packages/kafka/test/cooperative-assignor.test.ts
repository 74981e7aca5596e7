import { assert, constantFrom, integer, property, uniqueArray } from 'fast-check';
import { expect, test } from 'vitest';
import { partitionName, type TopicPartition } from '../src/connection/topic-partition.js';
import { type AssignedMember, assignCooperatively } from '../src/group/cooperative-assignor.js';

function member(
  memberId: string,
  owned: readonly TopicPartition[] = [],
  topics: readonly string[] = ['t'],
): AssignedMember {
  return { memberId, topics, owned, generation: owned.length === 0 ? -1 : 1 };
}

function partitionsOf(topic: string, count: number): TopicPartition[] {
  return Array.from({ length: count }, (_, partition) => ({ topic, partition }));
}

function shown(assigned: Map<string, TopicPartition[]>): Record<string, string[]> {
  return Object.fromEntries([...assigned].map(([id, each]) => [id, each.map(partitionName)]));
}

test('spreads partitions evenly over members that hold none', () => {
  const assigned = assignCooperatively([member('b'), member('a')], partitionsOf('t', 5));
  expect(shown(assigned)).toEqual({ a: ['t-0', 't-2', 't-4'], b: ['t-1', 't-3'] });
});

test('gives a partition that has to move to nobody while its holder has it, and then to the new member', () => {
  const all = partitionsOf('t', 4);
  const first = assignCooperatively([member('a', all), member('b')], all);
  expect(first.get('a')).toHaveLength(2);
  expect(first.get('b')).toEqual([]);
  const second = assignCooperatively([member('a', first.get('a') ?? []), member('b')], all);
  expect(second.get('a')).toEqual(first.get('a'));
  expect(second.get('b')).toHaveLength(2);
});

test('moves no partition when everybody has as many as the others', () => {
  const all = partitionsOf('t', 5);
  const assigned = assignCooperatively([member('a', all.slice(0, 3)), member('b', all.slice(3))], all);
  expect(shown(assigned)).toEqual({ a: ['t-0', 't-1', 't-2'], b: ['t-3', 't-4'] });
});

test('gives a member only partitions of topics that it subscribes to', () => {
  const members = [member('a', [], ['t', 'u']), member('b', [], ['u'])];
  const assigned = assignCooperatively(members, [...partitionsOf('t', 3), ...partitionsOf('u', 3)]);
  expect(shown(assigned)).toEqual({ a: ['t-0', 't-1', 't-2'], b: ['u-0', 'u-1', 'u-2'] });
});

test('believes the newest generation when two members say that they hold the same partition', () => {
  const [one] = partitionsOf('t', 1);
  const owned = one === undefined ? [] : [one];
  const members = [
    { ...member('old', owned), generation: 3 },
    { ...member('new', owned), generation: 4 },
  ];
  expect(shown(assignCooperatively(members, owned))).toEqual({ old: [], new: ['t-0'] });
});

test('in the end every partition is held by one member, and nobody has two more than another', () => {
  const names = uniqueArray(constantFrom<string[]>('a', 'b', 'c', 'd', 'e'), { minLength: 1 });
  assert(
    property(names, names, integer({ min: 1, max: 12 }), (before, after, count) => {
      const all = partitionsOf('t', count);
      const start = assignCooperatively(
        before.map((id) => member(id)),
        all,
      );
      const owned = (of: Map<string, TopicPartition[]>): AssignedMember[] =>
        after.map((id) => member(id, of.get(id) ?? []));
      const moved = assignCooperatively(owned(start), all);
      // No partition is given away before its holder, who is still there, has let it go.
      for (const [id, each] of moved) {
        for (const partition of each) {
          const holder = [...start].find(([, held]) => held.includes(partition))?.[0];
          expect(holder === undefined || holder === id || !after.includes(holder)).toBe(true);
        }
      }
      const settled = assignCooperatively(owned(moved), all);
      const sizes = [...settled.values()].map((each) => each.length);
      expect([...settled.values()].flat().map(partitionName).toSorted()).toEqual(all.map(partitionName).toSorted());
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    }),
  );
});
