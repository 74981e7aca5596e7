import { type Connector, defineConnector, type z } from '@sluice/core/driver';
import { DropSinkConfig } from './config.js';

/** Takes messages over and forgets them. */
export const drop: Connector<z.ZodNever, unknown, typeof DropSinkConfig, unknown> = defineConnector({
  name: 'drop',
  title: 'Nothing',
  contract: 1,
  sink: {
    config: DropSinkConfig,
    capabilities: () => ({
      atomic: false,
      idempotent: false,
      overlap: 'ordered',
      payload: 'bytes',
      changes: true,
      preferred: { maxMessages: 10_000, maxBytes: 16 * 1024 * 1024, maxInFlight: 1 },
    }),
    open: async () => (await import('./sink.js')).openDropSink(),
    check: async () => undefined,
  },
});
