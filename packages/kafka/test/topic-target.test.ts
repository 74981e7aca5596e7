import { pipeline } from '@sluice/core';
import { expect, test } from 'vitest';
import { kafka } from '../src/connector.js';
import type { KafkaSinkConfig } from '../src/sink-config.js';
import type { KafkaSourceConfig } from '../src/source-config.js';

const brokers = ['one.test:9092', 'two.test:9092'];

async function problemOf(source: Partial<KafkaSourceConfig>, sink: Partial<KafkaSinkConfig>): Promise<string> {
  const between = pipeline({
    name: 'loop',
    source: kafka.source({ brokers, ...source }),
    sink: kafka.sink({ brokers, topic: 'orders', ...sink }),
  });
  try {
    await between.validate();
    return 'none';
  } catch (error) {
    return String(error);
  }
}

const loop = /would read its own output/;

test('a pipeline that writes to a topic that it reads is refused', async () => {
  expect(await problemOf({ topics: ['payments', 'orders'] }, {})).toMatch(loop);
  expect(await problemOf({ topicPattern: 'ord.*' }, {})).toMatch(loop);
  expect(await problemOf({ partitions: [{ topic: 'orders', partition: 1 }] }, {})).toMatch(loop);
});

test('one broker in common is the same cluster', async () => {
  expect(await problemOf({ topics: ['orders'] }, { brokers: ['TWO.test:9092', 'three.test:9092'] })).toMatch(loop);
});

test('a pipeline that reads the checkpoints of its own sink is refused', async () => {
  expect(await problemOf({ topicPattern: 'sluice-.*' }, { transactional: true })).toMatch(loop);
  expect(await problemOf({ topicPattern: 'sluice-.*' }, {})).toBe('none');
});

test('another topic, and the same one of another cluster, may be written to', async () => {
  expect(await problemOf({ topics: ['payments'] }, {})).toBe('none');
  expect(await problemOf({ topicPattern: 'order' }, {})).toBe('none');
  expect(await problemOf({ topics: ['orders'] }, { brokers: ['one.test:9093'] })).toBe('none');
});
