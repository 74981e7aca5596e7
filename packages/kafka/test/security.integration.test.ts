import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isConnectorError, redactConfig } from '@sluice/core/driver';
import { type SecuredKafkaServer, startSecuredKafka, uniqueName } from '@sluice/testkit';
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { kafka } from '../src/connector.js';
import type { KafkaOptions } from '../src/options.js';
import type { KafkaSourceConfig } from '../src/source-config.js';
import { eventually, openSourceWorld, type SourceWorld } from './source-world.js';

let server: SecuredKafkaServer;
let world: SourceWorld;
let topic: string;

beforeAll(async () => {
  server = await startSecuredKafka();
  world = await openSourceWorld(server);
  topic = await world.createTopic();
});

afterAll(async () => {
  await world.close();
  await server[Symbol.asyncDispose]();
});

/** Resolves with `ok`, or with the code and text of why the source cannot be used. */
async function checked(config: KafkaSourceConfig, options: KafkaOptions = {}): Promise<string> {
  try {
    await kafka.source({ topics: [topic], connectTimeoutMs: 3000, ...config }, options).check();
    return 'ok';
  } catch (error) {
    if (!isConnectorError(error)) throw error;
    return `${error.code}: ${error.message}`;
  }
}

test.for(['plain', 'scram-sha-256', 'scram-sha-512'] as const)(
  'proves a password with %s, and tells a wrong one',
  async (mechanism) => {
    const config = { brokers: server.saslBrokers };
    expect(await checked({ ...config, sasl: { mechanism, ...server.admin } })).toBe('ok');
    const wrong = await checked({ ...config, sasl: { mechanism, ...server.admin, password: 'wrong-password' } });
    expect(wrong).toMatch(/^unauthenticated: /);
    expect(wrong).not.toContain('wrong-password');
  },
);

test('takes an OAUTHBEARER token from a function, and tells one that has expired', async () => {
  const config = { brokers: server.saslBrokers, sasl: { mechanism: 'oauthbearer' as const } };
  expect(await checked(config, { oauthToken: async () => server.token(server.admin.username) })).toBe('ok');
  expect(await checked(config, { oauthToken: async () => server.token('admin', -60_000) })).toMatch(
    /^unauthenticated: /,
  );
  expect(await checked(config)).toMatch(/^config_invalid: .*options\.oauthToken/);
});

test('gets OAUTHBEARER tokens with client credentials, once while they are good', async () => {
  let asked = 0;
  const tokens: Server = createServer((request, response) => {
    asked++;
    const [user, secret] = Buffer.from(request.headers.authorization?.slice(6) ?? '', 'base64')
      .toString()
      .split(':');
    const good = user === 'client' && secret === 'c-secret';
    response.writeHead(good ? 200 : 401, { 'content-type': 'application/json' });
    const answer = { access_token: server.token('admin'), token_type: 'bearer', expires_in: 3600 };
    response.end(JSON.stringify(good ? answer : { error: 'invalid_client' }));
  });
  await new Promise<void>((resolve) => tokens.listen(0, '127.0.0.1', resolve));
  const { port } = tokens.address() as AddressInfo; // a TCP server has one
  const oauth = {
    mechanism: 'oauthbearer' as const,
    clientId: 'client',
    clientSecret: 'c-secret',
    tokenEndpoint: `http://127.0.0.1:${port}/token`,
  };
  expect(await checked({ brokers: server.saslBrokers, sasl: oauth })).toBe('ok');
  expect(asked).toBe(1);
  const wrong = await checked({ brokers: server.saslBrokers, sasl: { ...oauth, clientSecret: 'bad' } });
  expect(wrong).toMatch(/^unauthenticated: .*invalid_client/);
  await new Promise((resolve) => tokens.close(resolve));
});

test('speaks TLS with a certificate of its own to a broker that demands one', async () => {
  const { authority, clientCertificate, tlsBrokers: brokers } = server;
  const tls = { ca: authority.certificate, cert: clientCertificate.certificate, key: clientCertificate.key };
  expect(await checked({ brokers, tls })).toMatch(/^(permission_denied|not_found): /); // its user has no right yet
  expect(await checked({ brokers, tls: { ca: authority.certificate } })).toMatch(/^unauthenticated: /);
  expect(await checked({ brokers, tls: true })).toMatch(/^unauthenticated: .*tls\.ca/);
  expect(await checked({ brokers })).toMatch(/^(not_connected|unauthenticated|timeout): /);
});

test('speaks SASL over TLS', async () => {
  const { authority, saslTlsBrokers: brokers, admin } = server;
  const tls = { ca: authority.certificate };
  expect(await checked({ brokers, tls, sasl: { mechanism: 'scram-sha-512', ...admin } })).toBe('ok');
  const strange = { ...tls, serverName: 'elsewhere.example' };
  expect(await checked({ brokers, tls: strange, sasl: { mechanism: 'plain', ...admin } })).toMatch(
    /^unauthenticated: /,
  );
});

test('tells a missing right apart, on the topic and on the group', async () => {
  const groupId = uniqueName('group');
  const own = await world.createTopic();
  const config = {
    brokers: server.saslBrokers,
    sasl: { mechanism: 'plain' as const, ...server.user },
    topics: [own],
    groupId,
  };
  const grant = (
    resourceType: AclResourceTypes,
    resourceName: string,
    operation: AclOperationTypes,
  ): Promise<unknown> =>
    world.admin.createAcls({
      acl: [
        {
          resourceType,
          resourceName,
          operation,
          resourcePatternType: ResourcePatternTypes.LITERAL,
          principal: `User:${server.user.username}`,
          host: '*',
          permissionType: AclPermissionTypes.ALLOW,
        },
      ],
    });
  expect(await checked(config)).toMatch(/^permission_denied: .*READ/);
  await grant(AclResourceTypes.TOPIC, own, AclOperationTypes.DESCRIBE);
  await eventually(async () => expect(await checked(config)).toMatch(/^permission_denied: .*topic/));
  await grant(AclResourceTypes.TOPIC, own, AclOperationTypes.READ);
  await eventually(async () => expect(await checked(config)).toMatch(/^permission_denied: .*group/));
  await grant(AclResourceTypes.GROUP, groupId, AclOperationTypes.READ);
  await eventually(async () => expect(await checked(config)).toBe('ok'));
});

test('hides every secret of a config', () => {
  const sasl = {
    mechanism: 'oauthbearer',
    clientId: 'c',
    clientSecret: 'c-secret',
    tokenEndpoint: 'https://a.example/t',
  };
  const config = {
    brokers: ['a:1'],
    topics: ['t'],
    sasl,
    tls: { cert: 'c', key: 'the-key', passphrase: 'the-phrase' },
  };
  const schema = kafka.descriptor.source?.config;
  if (schema === undefined) throw new Error('there is no source');
  const shown = JSON.stringify(redactConfig(schema, config));
  for (const secret of ['c-secret', 'the-key', 'the-phrase']) expect(shown).not.toContain(secret);
});
