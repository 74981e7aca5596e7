import type { TeardownRequest } from '@sluice/core/driver';
import { openClient } from '../client.js';
import { endClient } from '../end-client.js';
import type { PostgresOptions } from '../options.js';
import type { CdcSourceSettings } from './cdc-config.js';
import { dropPublication, publicationState } from './publication.js';
import { dropSlot, slotState } from './replication-slot.js';

/**
 * The slot, and the publication if this connector made it. A slot that is being read is not removed: the server refuses it
 * (`conflict`).
 */
export async function teardownCdcSource(
  config: CdcSourceSettings,
  options: PostgresOptions,
  { pipeline, remove, signal }: TeardownRequest,
): Promise<readonly string[]> {
  if (config.snapshot === 'only') return [];
  const { slot: slotName, publication, ...connection } = config;
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
