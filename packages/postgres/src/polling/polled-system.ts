import { ConnectorError } from '@sluice/core/driver';
import type { TextClient } from '../text-client.js';
import { checkedTarget } from './page-reader.js';
import type { PollTarget } from './poll-target.js';
import type { PolledSettings } from './polled-fields.js';

/** What is polled, and where. */
export interface PolledSystem {
  /** Tells this database from others, also from a copy of it under the same address. */
  readonly identity: string;
  readonly target: PollTarget;
}

const serverSql = `select system_identifier::text || '/' || pg_catalog.current_database() as identity,
  pg_catalog.pg_is_in_recovery() as standby from pg_catalog.pg_control_system()`;

/** @throws {ConnectorError} when the table or query cannot be polled as the config says */
export async function lookAtPolled(client: TextClient, config: PolledSettings): Promise<PolledSystem> {
  const server = await client.one(serverSql);
  if (server?.['standby'] === 't' && config.cursor !== undefined)
    throw new ConnectorError(
      'unsupported',
      'the server is a standby, which does not tell what transactions are open, so rows could be missed. Read from the primary, or use refresh: full',
    );
  return { identity: server?.['identity'] ?? '', target: await checkedTarget(client, config) };
}
