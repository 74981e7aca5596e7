import { type Connector, defineConnector } from '@sluice/core/driver';
import { sinkConfig, sourceConfig } from './config.js';
import { classifyUdpError } from './error.js';
import type { UdpOptions } from './options.js';

/**
 * Receives and sends UDP datagrams; one datagram is one message.
 *
 * @example
 * const readings = udp.source({ port: 7200 });
 * const display = udp.sink({ host: '192.0.2.7', port: 7300 });
 */
export const udp: Connector<typeof sourceConfig, UdpOptions, typeof sinkConfig, UdpOptions> = defineConnector({
  name: 'udp',
  title: 'UDP',
  contract: 1,
  classify: classifyUdpError,
  source: {
    config: sourceConfig,
    capabilities: () => ({
      position: 'none',
      replayable: false,
      order: 'none',
      bounded: false,
      window: false,
      changes: false,
      keyed: false,
    }),
    open: async (config, options: UdpOptions, context) =>
      (await import('./source.js')).openUdpSource(config, options, context),
    check: async (config, _options, signal) => (await import('./source.js')).checkUdpSource(config, signal),
  },
  sink: {
    config: sinkConfig,
    capabilities: () => ({
      atomic: false,
      idempotent: false,
      overlap: 'none',
      payload: 'bytes',
      changes: false,
      preferred: { maxMessages: 500, maxBytes: 1024 * 1024, maxInFlight: 1 },
    }),
    open: async (config, options: UdpOptions, context) =>
      (await import('./sink.js')).openUdpSink(config, options, context),
    check: async (config, options, signal) => (await import('./sink.js')).checkUdpSink(config, options, signal),
  },
});
