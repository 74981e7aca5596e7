import {
  type Carries,
  type Harness,
  type NativeMessage,
  type PostgresServer,
  type SourceHarness,
  serverFaults,
  uniqueName,
} from '@sluice/testkit';
import type { Client } from 'pg';

const wrongPassword = 'wrong-horse-staple';

/** Less than the suite lets the engine wait. */
export const patience = { connectTimeoutMs: 1000, statementTimeoutMs: 2000 };

/** What becomes of a message that is a row with the columns `key` and `payload`. */
export const carriesRows: Carries = {
  key: true,
  headers: 'none', // those of a row are those of its transaction or snapshot
  timestamp: false,
  nullPayload: true,
  emptyPayload: true,
  anyByte: true,
  maxPayloadBytes: 100_000_000,
};

/** What every harness of this connector has in common; it stops the server in the end. */
export function harnessOf(server: PostgresServer): Pick<Harness, 'faults' | 'secrets' | 'close'> {
  return { faults: serverFaults(server), secrets: [wrongPassword], close: () => server.stop() };
}

/** Configs that fail, past what hurts the network. @param nowhere names what does not exist */
export function wrongConfigs(
  { directUrl }: PostgresServer,
  nowhere: object,
): Pick<SourceHarness, 'missing' | 'wrongCredentials' | 'unreachable'> {
  return {
    missing: { config: { ...nowhere, url: directUrl } },
    wrongCredentials: { config: { ...nowhere, url: directUrl, password: wrongPassword } },
    // The port of the discard protocol, which nothing here speaks.
    unreachable: { config: { ...nowhere, url: 'postgresql://app@127.0.0.1:9/app' } },
  };
}

/** A name of its own that needs no quotes. */
export function uniqueIdentifier(word: string): string {
  return uniqueName(word).replaceAll('-', '_');
}

/** Stores messages as rows, each in a transaction of its own. */
export async function insertRows(
  server: PostgresServer,
  table: string,
  messages: readonly NativeMessage[],
): Promise<void> {
  await using(server, async (client) => {
    for (const { key, payload } of messages)
      await client.query(`insert into ${table} (key, payload) values ($1, $2)`, [key ?? null, payload]);
  });
}

/** Does something with a connection of its own. */
export async function using<T>(server: PostgresServer, task: (client: Client) => Promise<T>): Promise<T> {
  const client = await server.connect();
  try {
    return await task(client);
  } finally {
    await client.end();
  }
}
