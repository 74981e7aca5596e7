import { type Connector, createFraming, defineConnector } from '@sluice/core/driver';
import { compressionOf } from './compression.js';
import { type FileSinkSettings, sinkConfig, sourceConfig } from './config.js';
import { classifyFileError } from './error.js';

/**
 * Reads and writes files.
 *
 * @example
 * import { file } from '@sluice/file';
 *
 * const source = file.source({ path: 'logs/*.ndjson', follow: true });
 * const sink = file.sink({ path: 'all.ndjson.gz', rotate: { maxBytes: 100_000_000 } });
 */
export const file: Connector<typeof sourceConfig, unknown, typeof sinkConfig, unknown> = defineConnector({
  name: 'file',
  title: 'Files',
  contract: 1,
  classify: classifyFileError,
  source: {
    config: sourceConfig,
    capabilities: ({ path, follow }) => {
      const isStdin = path === '-';
      return {
        position: isStdin ? 'none' : 'engine',
        replayable: !isStdin,
        order: 'partition',
        bounded: !follow,
        window: false,
        changes: false,
        keyed: false,
        ...(isStdin ? {} : { lagUnit: 'bytes' }),
      };
    },
    reads: async ({ path }, _options, target) => (await import('./file-target.js')).readsTarget(path, target),
    open: async (config, _options, context) => (await import('./source.js')).openFileSource(config, context),
    check: async (config) => (await import('./source.js')).checkFileSource(config),
    discover: async (config) => (await import('./source.js')).discoverFiles(config),
  },
  sink: {
    config: sinkConfig,
    capabilities: ({ path, framing, atomic }) => ({
      atomic: atomic ?? path !== '-',
      idempotent: false,
      overlap: 'none',
      payload: createFraming(framing).name === 'csv' ? 'value' : 'bytes',
      changes: false,
      preferred: { maxMessages: 5000, maxBytes: 1024 * 1024, maxInFlight: 1 },
    }),
    remarks: (config) => (isHurtByCrash(config) ? [crashRemark] : []),
    writes: async (config) => (await import('./file-target.js')).targetsOf(config),
    open: async (config, _options, context) => (await import('./sink.js')).openFileSink(config, context),
    check: async (config) => (await import('./sink.js')).checkFileSink(config),
    discover: async (config) => (await import('./sink.js')).discoverOutput(config),
    positions: {
      load: async (...request) => (await import('./sink-positions.js')).sinkPositions.load(...request),
      change: async (...request) => (await import('./sink-positions.js')).sinkPositions.change(...request),
    },
  },
});

const crashRemark =
  'a crash can leave a part of the last write, and nothing behind it could be read: leave out atomic, or write lines without compression';

/** Of plain lines a crash breaks one at most. */
function isHurtByCrash({ path, framing, atomic }: FileSinkSettings): boolean {
  return atomic === false && (compressionOf(path) !== undefined || createFraming(framing).name === 'length-prefixed');
}
