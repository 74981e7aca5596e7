import type { Discovered, DriverContext, SourceDriver, TeardownRequest } from '@sluice/core/driver';
import { checkCdcSource, openCdcSource } from './cdc-source.js';
import { teardownCdcSource } from './cdc-teardown.js';
import { openClient } from './client.js';
import { discoverTables } from './discover.js';
import { endClient } from './end-client.js';
import type { PostgresOptions } from './options.js';
import { checkSnapshotSource, openSnapshotSource } from './snapshot-source.js';
import type { PostgresSourceSettings } from './source-config.js';

/** Opens the source in the mode that the config names. */
export function openPostgresSource(
  config: PostgresSourceSettings,
  options: PostgresOptions,
  context: DriverContext,
): Promise<SourceDriver> {
  switch (config.mode) {
    case 'cdc':
      return config.snapshot === 'never'
        ? openCdcSource(config, options, context)
        : openSnapshotSource(config, options, context);
  }
}

/** Whether the source could be read with this config; makes nothing. */
export function checkPostgresSource(
  config: PostgresSourceSettings,
  options: PostgresOptions,
  signal: AbortSignal,
): Promise<void> {
  switch (config.mode) {
    case 'cdc':
      return config.snapshot === 'only'
        ? checkSnapshotSource(config, options, signal)
        : checkCdcSource(config, options, signal);
  }
}

/** The tables that this user may read. */
export async function discoverPostgresSource(
  config: PostgresSourceSettings,
  options: PostgresOptions,
  signal: AbortSignal,
): Promise<readonly Discovered[]> {
  const client = await openClient(config, options, { name: 'sluice discover', signal });
  try {
    return await discoverTables(client, 'read');
  } finally {
    await endClient(client);
  }
}

/** What was made outside for this source; removed when asked. */
export function teardownPostgresSource(
  config: PostgresSourceSettings,
  options: PostgresOptions,
  request: TeardownRequest,
): Promise<readonly string[]> {
  switch (config.mode) {
    case 'cdc':
      return teardownCdcSource(config, options, request);
  }
}
