import { parseTemplate, type SinkTarget } from '@sluice/core/driver';
import { addressOf } from '../client.js';
import { quotedTable } from '../identifier.js';
import type { PostgresSinkSettings } from '../sink-config.js';
import type { PostgresSourceSettings } from '../source-config.js';

/** The table that a sink writes to, with its server. A template of many names none. Transactions let several sinks share it. */
export async function targetsOf(config: PostgresSinkSettings): Promise<readonly SinkTarget[]> {
  if (parseTemplate(config.table).fields.length > 0) return [];
  return [{ name: `${await addressOf(config)} ${quotedTable(config.table)}`, isShared: true }];
}

/** Whether a source polls the table that a sink writes to under this name. What a publication or query reads is not known. */
export async function readsTarget(config: PostgresSourceSettings, target: string): Promise<boolean> {
  if (config.mode === 'cdc' || config.table === undefined) return false;
  return target === `${await addressOf(config)} ${quotedTable(config.table)}`;
}
