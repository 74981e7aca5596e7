import type { Client, ClientConfig } from 'pg';
import { ownServerUrl, type TestServer, untouchableServer } from '../test-server.js';
import { connect, startServer } from './postgres-server.js';

/** Major versions that tests run on: the oldest one that is supported, and the newest. */
export type PostgresVersion = 15 | 18;

/** A Postgres server for tests. Its user `postgres` (password `postgres`) may do everything in its database `postgres`. */
export interface PostgresServer extends TestServer {
  /** URL past the proxy, for other native clients and for benchmarks. `url` leads through the proxy. */
  readonly directUrl: string;
  /** A connected client of `pg`, past the proxy, for what a test prepares and checks. End it with `end()`. */
  connect(config?: ClientConfig): Promise<Client>;
}

/** How a server for tests differs from others. */
export interface StartPostgresOptions {
  /** Default 18. */
  readonly version?: PostgresVersion;
  /** Settings of the server, by their names in `postgresql.conf`. They win over those of {@link startPostgres}. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * Starts a Postgres server in a container (about 0.5 s), or uses that of `SLUICE_TEST_POSTGRES_URL`
 * (`postgresql://user:password@host:port/database`), whatever its version.
 *
 * It has logical replication (`wal_level=logical`, 32 slots and senders), keeps commits visible at once, and does not sync
 * its disk: what it has survives `kill`, and not a machine that loses power.
 *
 * Start one in `beforeAll` of each test file and stop it in `afterAll`, as with `startKafka`; within a file, tests keep apart
 * by `uniqueName`.
 *
 * @throws Error when no container engine answers, or the image is not here and cannot be fetched.
 */
export async function startPostgres({
  version = 18,
  settings = {},
}: StartPostgresOptions = {}): Promise<PostgresServer> {
  const own = ownServerUrl('postgres');
  if (own !== undefined) {
    // Onto the server, not into a new object: its `proxy` is a getter that says why there is none.
    return Object.assign(untouchableServer('postgres', own), {
      directUrl: own,
      connect: (config: ClientConfig = {}) => connect({ connectionString: own, ...config }),
    });
  }
  const { server } = await startServer({ version, settings });
  return server;
}
