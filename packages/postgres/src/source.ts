import type { Discovered, DriverContext, SourceDriver, TeardownRequest } from '@sluice/core/driver';
import { checkCdcSource, openCdcSource } from './cdc-source.js';
import { openClient } from './client.js';
import { discoverTables } from './discover.js';
import { endClient } from './end-client.js';
import type { PostgresOptions } from './options.js';
import { dropPublication, publicationState } from './publication.js';
import { dropSlot, slotState } from './replication-slot.js';
import type { PostgresSourceSettings } from './source-config.js';

/** Opens the source in the mode that the config names. */
export function openPostgresSource(
  config: PostgresSourceSettings,
  options: PostgresOptions,
  context: DriverContext,
): Promise<SourceDriver> {
  return openCdcSource(config, options, context);
}

/** Whether the source could be read with this config; makes nothing. */
export function checkPostgresSource(
  config: PostgresSourceSettings,
  options: PostgresOptions,
  signal: AbortSignal,
): Promise<void> {
  return checkCdcSource(config, options, signal);
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

/**
 * The slot, and the publication if this connector made it. A slot that is being read is not removed: the server refuses it
 * (`conflict`).
 */
export async function teardownPostgresSource(
  { slot: slotName, publication, ...connection }: PostgresSourceSettings,
  options: PostgresOptions,
  { pipeline, remove, signal }: TeardownRequest,
): Promise<readonly string[]> {
  const client = await openClient(connection, options, { name: `sluice ${pipeline} teardown`, signal });
  try {
    const lines: string[] = [];
    const slot = await slotState(client, slotName);
    if (slot !== undefined) {
      const megabytes = (slot.retainedBytes / 1e6).toFixed(1);
      const use = slot.activePid === undefined ? 'not in use' : `in use by process ${slot.activePid}`;
      if (remove) await dropSlot(client, slotName);
      lines.push(`replication slot "${slotName}" (${use}, keeps ${megabytes} MB of the log)`);
    }
    if ((await publicationState(client, publication)) === 'own') {
      if (remove) await dropPublication(client, publication);
      lines.push(`publication "${publication}"`);
    }
    return lines;
  } finally {
    await endClient(client);
  }
}
