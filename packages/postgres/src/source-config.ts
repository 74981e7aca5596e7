import { z } from '@sluice/core/driver';
import { type CdcSourceConfig, type CdcSourceSettings, cdcConfig } from './cdc-config.js';

/** A parsed config of the source. */
export type PostgresSourceSettings = CdcSourceSettings;

/** Config of the source. */
export type PostgresSourceConfig = CdcSourceConfig;

/** Schema of the source's config: one for each `mode`. */
export const sourceConfig: z.ZodType<PostgresSourceSettings, PostgresSourceConfig> = z.discriminatedUnion('mode', [
  cdcConfig,
]);
