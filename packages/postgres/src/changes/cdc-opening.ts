import { ConnectorError, type DriverContext } from '@sluice/core/driver';
import type { Client } from 'pg';
import { openClient } from '../client.js';
import { endClient } from '../end-client.js';
import type { PostgresOptions } from '../options.js';
import { textSettings } from '../rows/column-types.js';
import type { ChangesSettings } from './cdc-config.js';
import { checkFreeSlot, checkServer, rowsOnStandby } from './cdc-server.js';
import { CdcSource } from './cdc-source.js';
import { checkPublication, createPublication, publicationState } from './publication.js';
import { identify, openReplication } from './replication-client.js';
import { checkSlot, missingSlot, slotState, startIn } from './replication-slot.js';

/** Opens the source: nothing is streamed before it is read. */
export async function openCdcSource(
  config: ChangesSettings,
  options: PostgresOptions,
  context: DriverContext,
): Promise<CdcSource> {
  const { signal } = context;
  const name = `sluice ${context.pipeline}`;
  // At the same time as what follows, because a connection takes several answers of the server.
  const identifying = identify(() => openReplication(config, options, { name, signal }));
  identifying.catch(() => undefined); // awaited below
  let catalog: Client | undefined;
  try {
    catalog = await openClient(config, options, { name, signal, serverSettings: textSettings });
    const { isStandby } = await checkServer(catalog);
    if (config.create && !isStandby) await ensurePublication(catalog, config, (text) => context.notice(text));
    await checkPublication(catalog, config);
    return new CdcSource(catalog, await identifying, { config, options, context, isStandby });
  } catch (error) {
    await Promise.allSettled([identifying, catalog === undefined ? undefined : endClient(catalog)]);
    throw error;
  }
}

/** Whether everything is there that reading needs; makes nothing. */
export async function checkCdcSource(
  config: ChangesSettings,
  options: PostgresOptions,
  signal: AbortSignal,
): Promise<void> {
  const purpose = { name: 'sluice check', signal };
  const catalog = await openClient(config, options, purpose);
  try {
    const { isStandby } = await checkServer(catalog);
    await identify(() => openReplication(config, options, purpose));
    const isMissing = (await publicationState(catalog, config.publication)) === 'missing';
    if (!(config.create && isMissing) || isStandby) await checkPublication(catalog, config);
    const slot = await slotState(catalog, config.slot);
    if (slot !== undefined) {
      checkSlot(slot);
      startIn(slot, { position: undefined, start: undefined });
    } else if (isStandby && config.snapshot === 'initial') throw rowsOnStandby();
    else if (config.create) await checkFreeSlot(catalog, config.slot);
    else throw missingSlot(config.slot, undefined);
  } finally {
    await endClient(catalog);
  }
}

async function ensurePublication(
  catalog: Client,
  config: ChangesSettings,
  notice: (text: string) => void,
): Promise<void> {
  if ((await publicationState(catalog, config.publication)) !== 'missing') return;
  if ((await slotState(catalog, config.slot)) !== undefined) {
    throw new ConnectorError(
      'not_found',
      `publication "${config.publication}" does not exist, but replication slot "${config.slot}" does: the changes before a new publication could not be read. Correct the name, or remove the slot with "sluice teardown"`,
    );
  }
  const tables = await createPublication(catalog, config);
  if (tables.length === 0) return;
  notice(
    `the server refuses updates and deletes of ${tables.join(', ')} from now on, because nothing identifies their rows. Give them a primary key, or run: alter table ... replica identity full`,
  );
}
