import { type Certificate, type CertificateAuthority, createCertificateAuthority } from '../certificates.js';
import { containerEngine } from '../container-engine.js';
import type { KafkaServer, StartKafkaOptions } from './kafka.js';
import { brokerCommand, startBroker } from './kafka-broker.js';
import { clusterId, type KafkaListener, settingsFile } from './kafka-settings.js';

/** A name that the broker knows, with its password for PLAIN and both kinds of SCRAM. */
export interface KafkaUser {
  readonly username: string;
  readonly password: string;
}

/** A Kafka broker that asks who one is and checks what one may do. */
export interface SecuredKafkaServer extends KafkaServer {
  /** SASL without TLS, `host:port`: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER. */
  readonly saslBrokers: string[];
  /** TLS that demands a client certificate of `authority`, `host:port`. The user is the certificate's common name. */
  readonly tlsBrokers: string[];
  /** SASL, as above, over TLS without a client certificate, `host:port`. */
  readonly saslTlsBrokers: string[];
  /** May do everything. */
  readonly admin: KafkaUser;
  /** May do nothing until a test grants it: `native.admin()` with `createAcls`, principal `User:<username>`. */
  readonly user: KafkaUser;
  /** Signed the broker's certificate. */
  readonly authority: CertificateAuthority;
  /** A certificate of `authority` for `user`. */
  readonly clientCertificate: Certificate;
  /** An OAUTHBEARER token for a user, valid for `lifetimeMs` (an hour by default; negative for one that has expired). */
  token(username: string, lifetimeMs?: number): string;
}

const admin: KafkaUser = { username: 'admin', password: 'admin-password' };
const user: KafkaUser = { username: 'user', password: 'user-password' };
const sasl: KafkaListener = { name: 'SASL', protocol: 'SASL_PLAINTEXT', port: 9095 };
const tls: KafkaListener = { name: 'TLS', protocol: 'SSL', port: 9096 };
const saslTls: KafkaListener = { name: 'SASLTLS', protocol: 'SASL_SSL', port: 9097 };
const certificateFile = '/mnt/shared/config/broker.pem';
const authorityFile = '/mnt/shared/config/authority.pem';

/**
 * Starts a Kafka broker as {@link startKafka} does (3 s), with SASL and TLS besides. `brokers` and `directBrokers` stay
 * without both: who comes that way may do everything, as `native` does. Always in a container, also when
 * `SLUICE_TEST_KAFKA_URL` is set, because it has users of its own.
 */
export async function startSecuredKafka({ settings = {} }: StartKafkaOptions = {}): Promise<SecuredKafkaServer> {
  const [{ host }, authority] = await Promise.all([containerEngine(), createCertificateAuthority()]);
  const [own, clientCertificate] = await Promise.all([
    authority.issue('broker', [host]),
    authority.issue(user.username),
  ]);
  const { server, container } = await startBroker({
    settings: { ...securitySettings(), ...settings },
    listeners: [sasl, tls, saslTls],
    command: ['sh', '-c', `${formatCommand()} && exec ${brokerCommand}`],
    files: { [certificateFile]: own.key + own.certificate, [authorityFile]: authority.certificate },
  });
  return {
    ...server,
    saslBrokers: [container.address(sasl.port)],
    tlsBrokers: [container.address(tls.port)],
    saslTlsBrokers: [container.address(saslTls.port)],
    admin,
    user,
    authority,
    clientCertificate,
    token,
  };
}

function securitySettings(): Record<string, string> {
  return {
    ...saslSettings(sasl),
    ...saslSettings(saslTls),
    // Not that of the image, which may be formatted.
    'log.dirs': '/var/lib/kafka/data/secured',
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    // Who comes over a plain listener is ANONYMOUS.
    'super.users': `User:ANONYMOUS;User:${admin.username}`,
    'allow.everyone.if.no.acl.found': 'false',
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': certificateFile,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': authorityFile,
    [`listener.name.${tls.name.toLowerCase()}.ssl.client.auth`]: 'required',
    'ssl.principal.mapping.rules': 'RULE:^CN=([^,]+).*$/$1/,DEFAULT',
  };
}

function saslSettings({ name }: KafkaListener): Record<string, string> {
  const prefix = `listener.name.${name.toLowerCase()}`;
  const login = 'org.apache.kafka.common.security';
  const users = [admin, user].map(({ username, password }) => `user_${username}="${password}"`).join(' ');
  return {
    [`${prefix}.sasl.enabled.mechanisms`]: 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
    [`${prefix}.plain.sasl.jaas.config`]: `${login}.plain.PlainLoginModule required ${users};`,
    [`${prefix}.scram-sha-256.sasl.jaas.config`]: `${login}.scram.ScramLoginModule required;`,
    [`${prefix}.scram-sha-512.sasl.jaas.config`]: `${login}.scram.ScramLoginModule required;`,
    [`${prefix}.oauthbearer.sasl.jaas.config`]: `${login}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="${admin.username}";`,
  };
}

/** Passwords for SCRAM are in no file of settings: they are put into the storage when it is made. */
function formatCommand(): string {
  const passwords = [admin, user].flatMap(({ username, password }) =>
    ['SCRAM-SHA-256', 'SCRAM-SHA-512'].map((kind) => `--add-scram '${kind}=[name=${username},password=${password}]'`),
  );
  const options = ['--ignore-formatted', `--cluster-id=${clusterId}`, '-c', settingsFile, ...passwords];
  return `/opt/kafka/bin/kafka-storage.sh format ${options.join(' ')}`;
}

/** What the broker takes without asking a server for a key: a JSON web token that nobody has signed. */
function token(username: string, lifetimeMs = 60 * 60 * 1000): string {
  const seconds = (ms: number): number => Math.floor(ms / 1000);
  const expiresAt = Date.now() + lifetimeMs;
  const claims = { sub: username, iat: seconds(Math.min(Date.now(), expiresAt) - 1000), exp: seconds(expiresAt) };
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  return `${encode({ alg: 'none' })}.${encode(claims)}.`;
}
