import { kafka } from '@sluice/kafka';
import { describe, expect, it } from 'vitest';

const brokers = ['localhost:9092'];

function issuesOf(config: unknown): string[] {
  try {
    kafka.sink(config as { brokers: string[]; topic: string });
    return [];
  } catch (error) {
    return (error as { issues: { path: (string | number)[] }[] }).issues.map(({ path }) => path.join('.'));
  }
}

describe('the config of a sink', () => {
  it('needs brokers and a topic only', () => {
    const { capabilities } = kafka.sink({ brokers, topic: 'orders' });
    expect(capabilities).toMatchObject({ atomic: false, overlap: 'ordered', payload: 'bytes', changes: false });
  });

  it('makes an atomic sink of a transactional one', () => {
    const { capabilities } = kafka.sink({ brokers, topic: 'orders', transactional: true });
    expect(capabilities).toMatchObject({ atomic: true, overlap: 'partitions' });
  });

  it('is refused with every problem at once', () => {
    expect(
      issuesOf({ brokers: ['nowhere'], topic: 'a b', key: '{nothing}', partition: 'x', compresion: 'gzip' }),
    ).toEqual(expect.arrayContaining(['brokers.0', 'topic', 'key', 'partition']));
  });

  it('is refused when two of its promises exclude each other', () => {
    expect(issuesOf({ brokers, topic: 't', acks: 'leader' })).toEqual(['acks']);
    expect(issuesOf({ brokers, topic: 't', idempotent: false, transactional: true })).toEqual(['idempotent']);
  });
});
