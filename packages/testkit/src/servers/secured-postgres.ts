import { type Certificate, type CertificateAuthority, createCertificateAuthority } from '../certificates.js';
import { containerEngine } from '../container-engine.js';
import type { PostgresServer, StartPostgresOptions } from './postgres.js';
import { startServer } from './postgres-server.js';

/** A Postgres server that demands TLS of everybody, and a client certificate of its users `user` and `certified`. */
export interface SecuredPostgresServer extends PostgresServer {
  /** Signed the server's certificate, which is for the host in `url`, `localhost` and `127.0.0.1`. */
  readonly authority: CertificateAuthority;
  /** A certificate of `authority` for `user`, who needs the password `user-password` besides. */
  readonly clientCertificate: Certificate;
  /** A certificate of `authority` for `certified`, who has no password. */
  readonly certifiedCertificate: Certificate;
}

const folder = '/mnt/sluice';
const sources = `${folder}/server`;

/** The first line that fits counts; what fits none is refused. */
const rights = [
  'local all all trust',
  'hostnossl all open all scram-sha-256',
  'hostssl all open all reject',
  'hostssl all user all scram-sha-256 clientcert=verify-full',
  'hostssl all certified all cert',
  'hostssl all all all scram-sha-256',
];

/**
 * Starts a Postgres server as {@link startPostgres} does, with TLS. The user `postgres` needs TLS and its password; `user` and
 * `certified` need certificates; `open` (password `open-password`) may only come without TLS. Always in a container, also
 * when `SLUICE_TEST_POSTGRES_URL` is set, because it has users of its own.
 */
export async function startSecuredPostgres({
  version = 18,
  settings = {},
}: StartPostgresOptions = {}): Promise<SecuredPostgresServer> {
  const [{ host }, authority] = await Promise.all([containerEngine(), createCertificateAuthority()]);
  const [own, clientCertificate, certifiedCertificate] = await Promise.all([
    authority.issue('localhost', [host]),
    authority.issue('user'),
    authority.issue('certified'),
  ]);
  const { server } = await startServer({
    version,
    settings: {
      ssl: 'on',
      ssl_cert_file: `${sources}.crt`,
      // The server refuses a key that others may read, and a file that is put into the container can be read by all.
      ssl_key_file: '/tmp/server.key',
      ssl_ca_file: `${sources}-ca.crt`,
      hba_file: `${sources}-hba.conf`,
      ...settings,
    },
    files: {
      [`${sources}.crt`]: own.certificate,
      [`${sources}.key`]: own.key,
      [`${sources}-ca.crt`]: authority.certificate,
      [`${sources}-hba.conf`]: `${rights.join('\n')}\n`,
    },
    before: `install -o postgres -m 600 ${sources}.key /tmp/server.key`,
    ssl: { ca: authority.certificate },
  });
  const client = await server.connect();
  await client.query(`CREATE USER "user" PASSWORD 'user-password'; CREATE USER certified;
    CREATE USER open PASSWORD 'open-password'`);
  await client.end();
  return { ...server, authority, clientCertificate, certifiedCertificate };
}
