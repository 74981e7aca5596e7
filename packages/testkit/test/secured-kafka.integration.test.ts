import kafkajs, { type KafkaConfig, type SASLOptions } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCertificateAuthority, type SecuredKafkaServer, startSecuredKafka, uniqueName } from '../src/index.js';

let server: SecuredKafkaServer;
beforeAll(async () => {
  server = await startSecuredKafka();
});
afterAll(() => server?.stop());

/** Creates a topic as somebody, which shows that the broker let them in and let them do it. */
async function expectToCreateTopic(config: KafkaConfig): Promise<void> {
  const kafka = new kafkajs.Kafka({
    logLevel: kafkajs.logLevel.NOTHING,
    connectionTimeout: 2000,
    retry: { retries: 0 },
    ...config,
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: uniqueName('orders') }] });
  } catch (error) {
    // One for each topic.
    throw error instanceof Error && 'errors' in error && Array.isArray(error.errors) ? error.errors[0] : error;
  } finally {
    await admin.disconnect();
  }
}

const mechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

function withPassword(mechanism: (typeof mechanisms)[number], username: string, password: string): SASLOptions {
  // The union of kafkajs wants one literal at a time.
  return { mechanism, username, password } as SASLOptions;
}

describe.each(mechanisms)('SASL %s', (mechanism) => {
  test('lets the administrator do everything', async () => {
    const { username, password } = server.admin;
    const sasl = withPassword(mechanism, username, password);
    await expectToCreateTopic({ brokers: server.saslBrokers, sasl });
    await expectToCreateTopic({ brokers: server.saslTlsBrokers, sasl, ssl: { ca: server.authority.certificate } });
  });

  test('tells a wrong password from a missing right', async () => {
    const { username, password } = server.user;
    await expect(
      expectToCreateTopic({ brokers: server.saslBrokers, sasl: withPassword(mechanism, username, 'wrong') }),
    ).rejects.toThrow(/authentication failed/i);
    await expect(
      expectToCreateTopic({ brokers: server.saslBrokers, sasl: withPassword(mechanism, username, password) }),
    ).rejects.toThrow(/not authorized/i);
  });
});

test('OAUTHBEARER takes a token, unless it has expired', async () => {
  const withToken = (value: string): KafkaConfig => ({
    brokers: server.saslBrokers,
    sasl: { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value }) },
  });
  await expectToCreateTopic(withToken(server.token(server.admin.username)));
  await expect(expectToCreateTopic(withToken(server.token(server.user.username)))).rejects.toThrow(/not authorized/i);
  // kafkajs takes the broker's "invalid token" for a yes; the broker then closes the connection.
  await expect(expectToCreateTopic(withToken(server.token(server.admin.username, -60_000)))).rejects.toThrow(
    /closed connection/i,
  );
});

test('TLS lets in who has a certificate of the authority, under the name in it', async () => {
  const { certificate: cert, key } = await server.authority.issue(server.admin.username);
  const ca = server.authority.certificate;
  await expectToCreateTopic({ brokers: server.tlsBrokers, ssl: { ca, cert, key } });
  const { certificate, key: userKey } = server.clientCertificate;
  await expect(
    expectToCreateTopic({ brokers: server.tlsBrokers, ssl: { ca, cert: certificate, key: userKey } }),
  ).rejects.toThrow(/not authorized/i);
});

test('TLS keeps out who has no certificate, or that of another authority, or does not trust this one', async () => {
  const other = await createCertificateAuthority();
  const { certificate: cert, key } = await other.issue(server.admin.username);
  const ca = server.authority.certificate;
  await expect(expectToCreateTopic({ brokers: server.tlsBrokers, ssl: { ca } })).rejects.toThrow(/certificate|closed/i);
  await expect(expectToCreateTopic({ brokers: server.tlsBrokers, ssl: { ca, cert, key } })).rejects.toThrow(
    /certificate|closed/i,
  );
  await expect(expectToCreateTopic({ brokers: server.saslTlsBrokers, ssl: true })).rejects.toThrow(/certificate/);
});
