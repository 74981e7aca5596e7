import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import type { PostgresConnectionSettings, SslMode } from './config.js';

/** How one attempt to connect encrypts; `false`: not at all. */
export type Encryption = false | ConnectionOptions;

type TlsSettings = Pick<PostgresConnectionSettings, 'sslmode' | 'sslrootcert' | 'sslcert' | 'sslkey'>;

/**
 * The attempts that an sslmode makes, in order, as libpq makes them: `allow` first without TLS, `prefer` first with it. `require`
 * checks the server's certificate if `sslrootcert` is given.
 */
export async function encryptionsOf(settings: TlsSettings): Promise<readonly [Encryption, ...Encryption[]]> {
  const mode: SslMode = settings.sslmode ?? 'prefer';
  if (mode === 'disable') return [false];
  const [ca, cert, key] = await Promise.all([settings.sslrootcert, settings.sslcert, settings.sslkey].map(pem));
  const isChecked = mode === 'verify-ca' || mode === 'verify-full' || (mode === 'require' && ca !== undefined);
  const tls: ConnectionOptions = {
    rejectUnauthorized: isChecked,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    // Only verify-full looks at the name.
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
  };
  if (mode === 'allow') return [false, tls];
  return mode === 'prefer' ? [tls, false] : [tls];
}

async function pem(textOrPath: string | undefined): Promise<string | undefined> {
  if (textOrPath === undefined || textOrPath.includes('-----BEGIN')) return textOrPath;
  return await readFile(textOrPath, 'utf8');
}
