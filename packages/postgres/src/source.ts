import type { Discovered, DriverContext, SourceDriver, TeardownRequest } from '@sluice/core/driver';
import { checkCdcSource, openCdcSource } from './changes/cdc-opening.js';
import { teardownCdcSource } from './changes/cdc-teardown.js';
import { openClient } from './client.js';
import { discoverTables } from './discover.js';
import { endClient } from './end-client.js';
import { checkListenSource, openListenSource } from './notifications/listen-source.js';
import { teardownListenSource } from './notifications/notify-trigger.js';
import type { PostgresOptions } from './options.js';
import { checkPollSource, openPollSource } from './polling/poll-source.js';
import { checkSnapshotSource, openSnapshotSource } from './snapshot/snapshot-source.js';
import type { PostgresSourceSettings } from './source-config.js';

/** Opens the source in the mode that the config names. */
export async function openPostgresSource(
  config: PostgresSourceSettings,
  options: PostgresOptions,
  context: DriverContext,
): Promise<SourceDriver> {
  switch (config.mode) {
    case 'cdc':
      return config.snapshot === 'never'
        ? await openCdcSource(config, options, context)
        : await openSnapshotSource(config, options, context);
    case 'poll':
      return await openPollSource(config, options, context);
    case 'listen':
      return await openListenSource(config, options, context);
  }
}

/** Whether the source could be read with this config; makes nothing. */
export async function checkPostgresSource(
  config: PostgresSourceSettings,
  options: PostgresOptions,
  signal: AbortSignal,
): Promise<void> {
  switch (config.mode) {
    case 'cdc':
      return config.snapshot === 'only'
        ? await checkSnapshotSource(config, options, signal)
        : await checkCdcSource(config, options, signal);
    case 'poll':
      return await checkPollSource(config, options, signal);
    case 'listen':
      return await checkListenSource(config, options, signal);
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
export async function teardownPostgresSource(
  config: PostgresSourceSettings,
  options: PostgresOptions,
  request: TeardownRequest,
): Promise<readonly string[]> {
  switch (config.mode) {
    case 'cdc':
      return await teardownCdcSource(config, options, request);
    case 'listen':
      return await teardownListenSource(config, options, request);
    case 'poll':
      return [];
  }
}
