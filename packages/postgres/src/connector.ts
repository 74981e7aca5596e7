import { type Connector, defineConnector } from '@sluice/core/driver';
import { classifyPostgresError } from './error.js';
import type { PostgresOptions } from './options.js';
import { needsStructure, sinkConfig } from './sink-config.js';
import { sourceCapabilities } from './source-capabilities.js';
import { sourceConfig } from './source-config.js';

const columnsFrom =
  "the messages' schema and, for messages without one, of the values in the first write that has them";

/**
 * Reads changes of Postgres and writes to its tables.
 *
 * @example
 * const changes = postgres.source({ url: 'postgresql://app@db.example/shop', mode: 'cdc', slot: 'sluice', publication: 'sluice' });
 * const orders = postgres.sink({ url: 'postgresql://app@db.example/shop', table: 'orders', mode: 'upsert', key: ['id'] });
 */
export const postgres: Connector<typeof sourceConfig, PostgresOptions, typeof sinkConfig, PostgresOptions> =
  defineConnector({
    name: 'postgres',
    title: 'Postgres',
    contract: 1,
    classify: classifyPostgresError,
    source: {
      config: sourceConfig,
      capabilities: sourceCapabilities,
      reads: async (config, _options, target) => (await import('./writing/sink-target.js')).readsTarget(config, target),
      open: async (config, options: PostgresOptions, context) =>
        (await import('./source.js')).openPostgresSource(config, options, context),
      check: async (config, options, signal) =>
        (await import('./source.js')).checkPostgresSource(config, options, signal),
      discover: async (config, options, signal) =>
        (await import('./source.js')).discoverPostgresSource(config, options, signal),
      teardown: async (config, options, request) =>
        (await import('./source.js')).teardownPostgresSource(config, options, request),
    },
    sink: {
      config: sinkConfig,
      capabilities: (config) => ({
        atomic: config.atomic,
        idempotent: config.mode === 'append' ? false : 'key',
        overlap: config.atomic ? 'ordered' : 'partitions',
        payload: needsStructure(config) ? 'value' : 'bytes',
        changes: config.mode === 'mirror',
        preferred: {
          maxMessages: 5000,
          maxBytes: 4 * 1024 * 1024,
          maxInFlight: config.atomic ? 2 : config.maxConnections,
        },
      }),
      remarks: ({ create, evolve }) => [
        ...(create ? [`makes a missing table with the columns of ${columnsFrom}`] : []),
        ...(evolve === 'add-columns' ? [`adds columns that the table lacks, by ${columnsFrom}`] : []),
      ],
      writes: async (config) => (await import('./writing/sink-target.js')).targetsOf(config),
      open: async (config, options: PostgresOptions, context) =>
        (await import('./sink.js')).openPostgresSink(config, options, context),
      check: async (config, options, signal) => (await import('./sink.js')).checkPostgresSink(config, options, signal),
      discover: async (config, options, signal) =>
        (await import('./sink.js')).discoverPostgresSink(config, options, signal),
      positions: {
        load: async (...request) => (await import('./writing/sink-positions.js')).sinkPositions.load(...request),
        change: async (...request) => (await import('./writing/sink-positions.js')).sinkPositions.change(...request),
      },
    },
  });
