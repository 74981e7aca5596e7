import { isConnectorError } from '@sluice/core/driver';
import { expect, test } from 'vitest';
import { parseBroker } from '../src/client.js';
import { parsePartitionName, partitionName } from '../src/connection/topic-partition.js';
import { kafka } from '../src/connector.js';
import type { KafkaSourceConfig } from '../src/source-config.js';

/** The paths of what is wrong. */
function problems(config: object): string[] {
  try {
    // Wrong on purpose.
    kafka.source({ brokers: ['a:1'], ...config } as KafkaSourceConfig);
    return [];
  } catch (error) {
    if (!isConnectorError(error)) throw error;
    return error.issues.map(({ path }) => path.join('.'));
  }
}

test('takes exactly one of topics, topicPattern and partitions', () => {
  const partitions = [{ topic: 't', partition: 0 }];
  expect(problems({ topics: ['t'] })).toEqual([]);
  expect(problems({ topicPattern: 't.*' })).toEqual([]);
  expect(problems({ partitions })).toEqual([]);
  expect(problems({})).toEqual(['']);
  expect(problems({ topics: ['t'], topicPattern: 't' })).toEqual(['']);
  expect(problems({ partitions, groupId: 'g' })).toEqual(['partitions']);
});

test('refuses what cannot be, and tells all of it at once', () => {
  const config = { topics: ['a topic'], brokers: ['nowhere'], start: 'first', unknown: 1 };
  expect(problems(config).toSorted()).toEqual(['brokers.0', 'start', 'topics.0', 'unknown']);
  expect(problems({ topicPattern: '(' })).toEqual(['topicPattern']);
  expect(problems({ topics: ['t'], groupInstanceId: 'a' })).toEqual(['groupInstanceId']);
  expect(problems({ topics: ['t'], heartbeatIntervalMs: 20_000 })).toEqual(['heartbeatIntervalMs']);
  expect(problems({ topics: ['t'], tls: { cert: 'c' } })).toEqual(['tls.key']);
  const sasl = { mechanism: 'oauthbearer', clientId: 'c' };
  expect(problems({ topics: ['t'], sasl }).toSorted()).toEqual(['sasl.clientSecret', 'sasl.tokenEndpoint']);
});

test('a group keeps the positions itself; without one the engine does', () => {
  const config = { brokers: ['a:1'], topics: ['t'] };
  expect(kafka.source({ ...config, groupId: 'g' }).capabilities).toMatchObject({
    position: 'source',
    replayable: true,
  });
  expect(kafka.source({ ...config, bounded: true }).capabilities).toMatchObject({ position: 'engine', bounded: true });
});

test('a broker may have an IPv6 address', () => {
  expect(parseBroker('[::1]:9092')).toEqual({ host: '::1', port: 9092 });
  expect(parseBroker('kafka.example:9093')).toEqual({ host: 'kafka.example', port: 9093 });
});

test('a name of a partition gives back its topic and number, whatever the topic is called', () => {
  for (const topic of ['orders', 'orders-3', 'a.b_c-']) {
    expect(parsePartitionName(partitionName({ topic, partition: 12 }))).toEqual({ topic, partition: 12 });
  }
  expect(() => parsePartitionName('orders')).toThrow('not the name of a partition');
});
