import { z } from '@sluice/core/driver';
import { type CdcSourceConfig, type CdcSourceSettings, cdcConfig } from './changes/cdc-config.js';
import { type ListenSourceConfig, type ListenSourceSettings, listenConfig } from './notifications/listen-config.js';
import { type PollSourceConfig, type PollSourceSettings, pollConfig } from './polling/poll-config.js';

/** A parsed config of the source. */
export type PostgresSourceSettings = CdcSourceSettings | PollSourceSettings | ListenSourceSettings;

/** Config of the source. */
export type PostgresSourceConfig = CdcSourceConfig | PollSourceConfig | ListenSourceConfig;

/** Schema of the source's config: one for each `mode`. */
export const sourceConfig: z.ZodType<PostgresSourceSettings, PostgresSourceConfig> = z.discriminatedUnion('mode', [
  cdcConfig,
  pollConfig,
  listenConfig,
]);
