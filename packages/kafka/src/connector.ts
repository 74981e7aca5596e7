import { type Connector, defineConnector } from '@sluice/core/driver';
import { classifyKafkaError } from './error.js';
import type { KafkaOptions } from './options.js';
import { sinkCapabilities } from './sink-capabilities.js';
import { sinkConfig } from './sink-config.js';
import { sourceConfig } from './source-config.js';
import { readsTarget, targetsOf } from './writing/topic-target.js';

/**
 * Reads and writes topics of Apache Kafka, 2.4 or newer.
 *
 * @example
 * const orders = kafka.source({ brokers: ['localhost:9092'], topics: ['orders'], groupId: 'warehouse' });
 * const totals = kafka.sink({ brokers: ['localhost:9092'], topic: 'totals' });
 */
export const kafka: Connector<typeof sourceConfig, KafkaOptions, typeof sinkConfig, KafkaOptions> = defineConnector({
  name: 'kafka',
  title: 'Apache Kafka',
  contract: 1,
  classify: classifyKafkaError,
  source: {
    config: sourceConfig,
    capabilities: ({ groupId, bounded }) => ({
      position: groupId === undefined ? 'engine' : 'source',
      replayable: true,
      order: 'partition',
      bounded,
      window: false,
      changes: false,
      keyed: false,
      lagUnit: 'messages',
    }),
    reads: async (config, _options, target) => readsTarget(config, target),
    open: async (config, options: KafkaOptions, context) =>
      (await import('./source.js')).openKafkaSource(config, options, context),
    check: async (config, options, signal) => (await import('./inspect.js')).checkKafkaSource(config, options, signal),
    discover: async (config, options, signal) => (await import('./inspect.js')).discoverTopics(config, options, signal),
    teardown: async (config, options, request) =>
      (await import('./inspect.js')).teardownGroup(config, options, request),
  },
  sink: {
    config: sinkConfig,
    capabilities: sinkCapabilities,
    writes: async (config) => targetsOf(config),
    open: async (config, options: KafkaOptions, context) =>
      (await import('./sink.js')).openKafkaSink(config, options, context),
    check: async (config, options, signal) =>
      (await import('./writing/sink-check.js')).checkKafkaSink(config, options, signal),
    positions: {
      load: async (...request) => (await import('./writing/sink-positions.js')).sinkPositions.load(...request),
      change: async (...request) => (await import('./writing/sink-positions.js')).sinkPositions.change(...request),
    },
  },
});
