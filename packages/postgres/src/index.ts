export type {
  CdcSourceConfig,
  CdcSourceSettings,
  ChangesConfig,
  ChangesSettings,
  SnapshotConfig,
  SnapshotSettings,
} from './changes/cdc-config.js';
export type { PostgresConnectionConfig, PostgresConnectionSettings, SslMode } from './config.js';
export { postgres } from './connector.js';
export type { ListenSourceConfig, ListenSourceSettings } from './notifications/listen-config.js';
export type { PostgresOptions } from './options.js';
export type { PollSourceConfig, PollSourceSettings } from './polling/poll-config.js';
export type { PolledSettings, QueryParameter } from './polling/polled-fields.js';
export type { PostgresSinkConfig, PostgresSinkSettings, WriteMode } from './sink-config.js';
export type { PostgresSourceConfig, PostgresSourceSettings } from './source-config.js';
export { type PostgresCheckpointsConfig, postgresCheckpoints } from './writing/checkpoint-store.js';
