import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isConnectorError, redactConfig } from '@sluice/core/driver';
import { startSecuredKafka, uniqueName } from '@sluice/testkit';
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from 'kafkajs';
import { beforeAll, expect, test } from 'vitest';
import { kafka } from '../src/connector.js';
import type { KafkaOptions } from '../src/options.js';
import type { KafkaSourceConfig } from '../src/source-config.js';
import { eventually, useSourceWorld } from './source-world.js';

const world = useSourceWorld(startSecuredKafka);
let topic: string;

beforeAll(async () => {
  topic = await world.createTopic();
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
    const config = { brokers: world.server.saslBrokers };
    expect(await checked({ ...config, sasl: { mechanism, ...world.server.admin } })).toBe('ok');
    const wrong = await checked({ ...config, sasl: { mechanism, ...world.server.admin, password: 'wrong-password' } });
    expect(wrong).toMatch(/^unauthenticated: /);
    expect(wrong).not.toContain('wrong-password');
  },
);

test('takes an OAUTHBEARER token from a function, and tells one that has expired', async () => {
  const config = { brokers: world.server.saslBrokers, sasl: { mechanism: 'oauthbearer' as const } };
  expect(await checked(config, { oauthToken: async () => world.server.token(world.server.admin.username) })).toBe('ok');
  expect(await checked(config, { oauthToken: async () => world.server.token('admin', -60_000) })).toMatch(
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
    const answer = { access_token: world.server.token('admin'), token_type: 'bearer', expires_in: 3600 };
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
  expect(await checked({ brokers: world.server.saslBrokers, sasl: oauth })).toBe('ok');
  expect(asked).toBe(1);
  const wrong = await checked({ brokers: world.server.saslBrokers, sasl: { ...oauth, clientSecret: 'bad' } });
  expect(wrong).toMatch(/^unauthenticated: .*invalid_client/);
  await new Promise((resolve) => tokens.close(resolve));
});

test('speaks TLS with a certificate of its own to a broker that demands one', async () => {
  const { authority, clientCertificate, tlsBrokers: brokers } = world.server;
  const tls = { ca: authority.certificate, cert: clientCertificate.certificate, key: clientCertificate.key };
  expect(await checked({ brokers, tls })).toMatch(/^(permission_denied|not_found): /); // its user has no right yet
  expect(await checked({ brokers, tls: { ca: authority.certificate } })).toMatch(/^unauthenticated: /);
  expect(await checked({ brokers, tls: true })).toMatch(/^unauthenticated: .*tls\.ca/);
  expect(await checked({ brokers })).toMatch(/^(not_connected|unauthenticated|timeout): /);
});

test('speaks SASL over TLS', async () => {
  const { authority, saslTlsBrokers: brokers, admin } = world.server;
  const tls = { ca: authority.certificate };
  expect(await checked({ brokers, tls, sasl: { mechanism: 'scram-sha-512', ...admin } })).toBe('ok');
  const strange = { ...tls, serverName: 'elsewhere.example' };
  expect(await checked({ brokers, tls: strange, sasl: { mechanism: 'plain', ...admin } })).toMatch(
    /^unauthenticated: /,
  );
});

async function grant(
  resourceType: AclResourceTypes,
  resourceName: string,
  operation: AclOperationTypes,
  resourcePatternType = ResourcePatternTypes.LITERAL,
): Promise<void> {
  const principal = `User:${world.server.user.username}`;
  const entry = { resourceType, resourceName, operation, resourcePatternType, principal, host: '*' };
  await world.admin.createAcls({ acl: [{ ...entry, permissionType: AclPermissionTypes.ALLOW }] });
}

test('tells a missing right apart, on the topic and on the group', async () => {
  const groupId = uniqueName('group');
  const own = await world.createTopic();
  const config = {
    brokers: world.server.saslBrokers,
    sasl: { mechanism: 'plain' as const, ...world.server.user },
    topics: [own],
    groupId,
  };
  expect(await checked(config)).toMatch(/^permission_denied: .*READ/);
  await grant(AclResourceTypes.TOPIC, own, AclOperationTypes.DESCRIBE);
  await eventually(async () => expect(await checked(config)).toMatch(/^permission_denied: .*topic/));
  await grant(AclResourceTypes.TOPIC, own, AclOperationTypes.READ);
  await eventually(async () => expect(await checked(config)).toMatch(/^permission_denied: .*group/));
  await grant(AclResourceTypes.GROUP, groupId, AclOperationTypes.READ);
  await eventually(async () => expect(await checked(config)).toBe('ok'));
});

test('tells which right a sink lacks, and needs those that the README names and no other', async () => {
  const { TOPIC, TRANSACTIONAL_ID } = AclResourceTypes;
  const { DESCRIBE, WRITE, READ, DESCRIBE_CONFIGS } = AclOperationTypes;
  const [own, checkpointTopic] = [
    await world.createTopic(),
    await world.createTopic(1, { 'cleanup.policy': 'compact' }),
  ];
  const brokers = world.server.saslBrokers;
  const sasl = { mechanism: 'plain' as const, ...world.server.user };
  const plain = kafka.sink({ brokers, sasl, topic: own });
  const transactional = kafka.sink({ brokers, sasl, topic: own, transactional: true, checkpointTopic });
  const answer = (sink: typeof plain): Promise<string> =>
    sink.check().then(
      () => 'ok',
      (error: unknown) => (isConnectorError(error) ? `${error.code}: ${error.message}` : String(error)),
    );
  const becomes = (sink: typeof plain, expected: RegExp): Promise<void> =>
    eventually(async () => expect(await answer(sink)).toMatch(expected));
  const lacks = (name: string): RegExp => new RegExp(`^permission_denied: .*${name}`);
  await becomes(plain, lacks(`"${own}".*WRITE`));
  await grant(TOPIC, own, DESCRIBE);
  await becomes(plain, lacks(`"${own}".*WRITE`));
  await grant(TOPIC, own, WRITE);
  await becomes(plain, /^ok$/);

  await becomes(transactional, lacks(`"${checkpointTopic}"`));
  await grant(TOPIC, checkpointTopic, READ);
  await becomes(transactional, lacks(`"${checkpointTopic}".*DESCRIBE_CONFIGS`));
  await grant(TOPIC, checkpointTopic, DESCRIBE_CONFIGS);
  await becomes(transactional, lacks(`"${checkpointTopic}".*WRITE`));
  await grant(TOPIC, checkpointTopic, WRITE);
  await becomes(transactional, lacks('transactional'));
  await grant(TRANSACTIONAL_ID, 'sluice/', DESCRIBE, ResourcePatternTypes.PREFIXED);
  await grant(TRANSACTIONAL_ID, 'sluice/', WRITE, ResourcePatternTypes.PREFIXED);
  await becomes(transactional, /^ok$/);
  const opened = await transactional.open();
  await opened.write([{ key: 'a', payload: Buffer.from('1') }]);
  await opened.close();
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
