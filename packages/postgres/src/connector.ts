import { type Connector, defineConnector, type z } from '@sluice/core/driver';
import { classifyPostgresError } from './error.js';
import type { PostgresOptions } from './options.js';
import { needsStructure, sinkConfig } from './sink-config.js';

/**
 * Writes to tables of Postgres.
 *
 * @example
 * const orders = postgres.sink({ url: 'postgresql://app@db.example/shop', table: 'orders', mode: 'upsert', key: ['id'] });
 */
export const postgres: Connector<z.ZodType, unknown, typeof sinkConfig, PostgresOptions> = defineConnector({
  name: 'postgres',
  title: 'Postgres',
  contract: 1,
  classify: classifyPostgresError,
  sink: {
    config: sinkConfig,
    capabilities: (config) => ({
      atomic: config.atomic,
      idempotent: config.mode === 'append' ? false : 'key',
      overlap: config.atomic ? 'ordered' : 'partitions',
      payload: needsStructure(config) ? 'value' : 'bytes',
      changes: config.mode === 'mirror',
      preferred: {
        maxMessages: 10_000,
        maxBytes: 4 * 1024 * 1024,
        maxInFlight: config.atomic ? 2 : config.maxConnections,
      },
    }),
    writes: async (config) => (await import('./sink-target.js')).targetsOf(config),
    open: async (config, options: PostgresOptions, context) =>
      (await import('./sink.js')).openPostgresSink(config, options, context),
    check: async (config, options, signal) => (await import('./sink.js')).checkPostgresSink(config, options, signal),
    discover: async (config, options, signal) => (await import('./sink.js')).discoverTables(config, options, signal),
    positions: {
      load: async (...request) => (await import('./sink-positions.js')).sinkPositions.load(...request),
      save: async (...request) => (await import('./sink-positions.js')).sinkPositions.save(...request),
    },
  },
});
