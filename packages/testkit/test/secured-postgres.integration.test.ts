import pg, { type ClientConfig } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SecuredPostgresServer, startSecuredPostgres } from '../src/index.js';

let server: SecuredPostgresServer;
beforeAll(async () => {
  server = await startSecuredPostgres();
});
afterAll(() => server?.stop());

/** Who one is for the server when one comes with this. */
async function userWith(user: string, password: string, ssl: ClientConfig['ssl']): Promise<unknown> {
  const url = new URL(server.url);
  const client = new pg.Client({
    host: url.hostname,
    port: Number(url.port),
    database: 'postgres',
    user,
    password,
    ssl: ssl ?? false,
  });
  try {
    await client.connect();
    return (await client.query<{ current_user: string }>('SELECT current_user')).rows[0]?.current_user;
  } finally {
    await client.end().catch(() => undefined);
  }
}

function tls(certificate?: { certificate: string; key: string }): ClientConfig['ssl'] {
  const ca = server.authority.certificate;
  return certificate === undefined ? { ca } : { ca, cert: certificate.certificate, key: certificate.key };
}

test('demands TLS', async () => {
  await expect(userWith('postgres', 'postgres', false)).rejects.toThrow('no encryption');
  expect(await userWith('postgres', 'postgres', tls())).toBe('postgres');
});

test('demands a client certificate of some users', async () => {
  await expect(userWith('user', 'user-password', tls())).rejects.toThrow('certificate');
  await expect(userWith('user', 'user-password', tls(server.certifiedCertificate))).rejects.toThrow(/authentication/);
  expect(await userWith('user', 'user-password', tls(server.clientCertificate))).toBe('user');
  expect(await userWith('certified', '', tls(server.certifiedCertificate))).toBe('certified');
});

test('lets one user in without TLS only', async () => {
  expect(await userWith('open', 'open-password', false)).toBe('open');
  await expect(userWith('open', 'open-password', tls())).rejects.toThrow('rejects');
});
