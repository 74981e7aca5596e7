import { type Connector, defineConnector, type z } from '@sluice/core/driver';
import { GenerateSourceConfig } from './config.js';

/** Makes messages. Reads nothing from outside, and so always starts where its position says. */
export const generate: Connector<typeof GenerateSourceConfig, unknown, z.ZodNever, unknown> = defineConnector({
  name: 'generate',
  title: 'Generated messages',
  contract: 1,
  source: {
    config: GenerateSourceConfig,
    capabilities: (config) => ({
      position: 'engine',
      replayable: true,
      order: 'partition',
      bounded: config.count !== undefined,
      window: false,
      changes: false,
      keyed: true,
      ...(config.count === undefined ? {} : { lagUnit: 'messages' as const }),
    }),
    open: async (config) => (await import('./source.js')).openGenerateSource(config),
    check: async () => undefined,
  },
});
