import type { Client, ClientConfig } from 'pg';
import { type ContainerServer, startContainer } from '../container-server.js';
import { serverImages } from '../images.js';
import { serverIn } from '../test-server.js';
import type { PostgresServer, PostgresVersion } from './postgres.js';

/** What a server in a container has besides what all of them have. */
export interface PostgresServerOptions {
  readonly version: PostgresVersion;
  readonly settings: Readonly<Record<string, string>>;
  /** Files in the container, by path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Shell command that comes before the server. */
  readonly before?: string;
  /** How native clients connect, where the server demands TLS. */
  readonly ssl?: ClientConfig['ssl'];
}

const port = 5432;

/** For tests: everything that takes time for the sake of a machine that loses power is off. */
const defaultSettings: Readonly<Record<string, string>> = {
  listen_addresses: '*',
  max_connections: '100',
  shared_buffers: '64MB',
  jit: 'off',
  fsync: 'off',
  full_page_writes: 'off',
  // With it off, a commit is not in the replication stream straight after; with fsync off it costs nothing.
  synchronous_commit: 'on',
  wal_level: 'logical',
  max_wal_senders: '32',
  max_replication_slots: '32',
  max_prepared_transactions: '8',
  autovacuum_naptime: '10s',
};

/** Starts a server in a container and waits until it works. */
export async function startServer(
  options: PostgresServerOptions,
): Promise<{ server: PostgresServer; container: ContainerServer }> {
  const settings = Object.entries({ ...defaultSettings, ...options.settings });
  const program = ['postgres', ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const nativeConfig = { ssl: options.ssl ?? false };
  const container = await startContainer({
    name: 'postgres',
    image: serverImages[`postgres-${options.version}`],
    ports: [port],
    proxiedPort: port,
    // Only the official image asks for it; it is that of the image built here.
    env: { POSTGRES_PASSWORD: 'postgres' },
    command:
      options.before === undefined
        ? program
        : ['sh', '-c', `${options.before} && exec docker-entrypoint.sh "$0" "$@"`, ...program],
    files: () => options.files ?? {},
    check: async ({ address }) => {
      const client = await connect({
        ...nativeConfig,
        connectionString: urlOf(address(port)),
        connectionTimeoutMillis: 2000,
      });
      await client.end();
    },
  });
  const directUrl = urlOf(container.address(port));
  const server: PostgresServer = {
    ...serverIn(container, urlOf(container.proxy.address)),
    directUrl,
    connect: (config = {}) => connect({ ...nativeConfig, connectionString: directUrl, ...config }),
  };
  return { server, container };
}

/** A connected client that outlives its server: what breaks shows in the next query. */
export async function connect(config: ClientConfig): Promise<Client> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ application_name: 'sluice-testkit', ...config });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

function urlOf(address: string): string {
  return `postgresql://postgres:postgres@${address}/postgres`;
}
