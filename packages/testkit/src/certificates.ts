import type { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';

/** A certificate and its key, both in PEM; the key is PKCS #8 without a password. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/** A certificate authority made for one test run, and what it issues. */
export interface CertificateAuthority {
  /** Its own certificate in PEM: what the other side has to trust. */
  readonly certificate: string;
  /**
   * A certificate for a client or for a server of this machine (`localhost`, `127.0.0.1`), valid for a day. `hosts` are
   * further names and addresses of the server: a container's, where the tests themselves run in one, is not `127.0.0.1`.
   */
  issue(commonName: string, hosts?: readonly string[]): Promise<Certificate>;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMs = 24 * 60 * 60 * 1000;

/** Makes a certificate authority. Two of them do not trust each other, which is how a test gets a wrong certificate. */
export async function createCertificateAuthority(commonName = 'Sluice test authority'): Promise<CertificateAuthority> {
  await import('reflect-metadata'); // which @peculiar/x509 demands and does not bring
  const x509 = await import('@peculiar/x509');
  const { subtle } = globalThis.crypto;
  const generateKeys = async (): Promise<webcrypto.CryptoKeyPair> =>
    await subtle.generateKey(algorithm, true, ['sign', 'verify']);
  // An hour back, for a server whose clock is a little behind.
  const validity = () => ({ notBefore: new Date(Date.now() - dayMs / 24), notAfter: new Date(Date.now() + dayMs) });
  const keys = await generateKeys();
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${commonName}`,
    keys,
    signingAlgorithm: algorithm,
    ...validity(),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
  return {
    certificate: `${authority.toString('pem')}\n`,
    issue: async (subject, hosts = []) => {
      const own = await generateKeys();
      const issued = await x509.X509CertificateGenerator.create({
        subject: `CN=${subject}`,
        issuer: authority.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        ...validity(),
        extensions: [
          new x509.SubjectAlternativeNameExtension(
            [...new Set(['localhost', '127.0.0.1', ...hosts])].map((value) => ({
              type: isIP(value) ? 'ip' : 'dns',
              value,
            })),
          ),
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
        ],
      });
      const key = x509.PemConverter.encode(await subtle.exportKey('pkcs8', own.privateKey), 'PRIVATE KEY');
      return { certificate: `${issued.toString('pem')}\n`, key: `${key}\n` };
    },
  };
}
