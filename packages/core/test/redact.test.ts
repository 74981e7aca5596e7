import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { secret, secretUrl } from '../src/config.js';
import { ConnectorError, isConnectorError } from '../src/error.js';
import { redactConfig, redactError, redactText, secretsOf } from '../src/redact.js';

const hunter = 'hunter2-secret';
const Secret = secret(z.string());

function holdsItself(): z.ZodType {
  const schema: z.ZodType = z.lazy(() => z.union([schema.optional(), Secret]));
  return schema;
}

describe('redactConfig and secretsOf', () => {
  test.each<[string, z.ZodType, unknown, unknown]>([
    ['optional', Secret.optional(), hunter, '***'],
    ['with a default', Secret.default(hunter), hunter, '***'],
    ['nullable', Secret.nullable(), hunter, '***'],
    ['readonly and caught', Secret.readonly().catch('x'), hunter, '***'],
    ['with checks added later', Secret.min(3).trim(), hunter, '***'],
    ['described later', Secret.describe('The password.'), hunter, '***'],
    ['with other metadata later', Secret.meta({ examples: ['x'] }), hunter, '***'],
    ['refined', Secret.refine((value) => value !== ''), hunter, '***'],
    ['branded', Secret.brand('Password'), hunter, '***'],
    ['transformed', Secret.transform((value) => `${value}!`), `${hunter}!`, '***'],
    ['preprocessed', z.preprocess((value) => value, Secret), hunter, '***'],
    ['marked outside of the wrappers', secret(z.string().optional().nullable()), hunter, '***'],
    ['lazy', z.lazy(() => Secret), hunter, '***'],
    ['in a union that holds itself', holdsItself(), hunter, '***'],
    [
      'in an object',
      z.strictObject({ user: z.string(), password: Secret }),
      { user: 'u', password: hunter },
      { user: 'u', password: '***' },
    ],
    ['in a deep object', z.object({ a: z.object({ b: Secret }).partial() }), { a: { b: hunter } }, { a: { b: '***' } }],
    [
      'in an extended object',
      z.strictObject({ a: Secret }).extend({ b: z.number() }),
      { a: hunter, b: 1 },
      { a: '***', b: 1 },
    ],
    ['in an array', z.array(Secret), [hunter], ['***']],
    ['in a tuple', z.tuple([z.string(), Secret]), ['a', hunter], ['a', '***']],
    ['in the rest of a tuple', z.tuple([z.string()], Secret), ['a', hunter], ['a', '***']],
    ['in a record', z.record(z.string(), Secret), { a: hunter }, { a: '***' }],
    ['in a catchall', z.object({}).catchall(Secret), { a: hunter }, { a: '***' }],
    [
      'in an intersection',
      z.intersection(z.object({ a: Secret }), z.object({ b: z.number() })),
      { a: hunter, b: 1 },
      { a: '***', b: 1 },
    ],
    ['in one branch of a union', z.union([z.boolean(), z.object({ key: Secret })]), { key: hunter }, { key: '***' }],
    [
      'in a branch of a discriminated union',
      z.discriminatedUnion('type', [
        z.object({ type: z.literal('a') }),
        z.object({ type: z.literal('b'), key: Secret }),
      ]),
      { type: 'b', key: hunter },
      { type: 'b', key: '***' },
    ],
    ['a whole object', secret(z.object({ key: z.string(), on: z.boolean() })), { key: hunter, on: true }, '***'],
    [
      'under a key that the schema does not know',
      z.object({ password: Secret }),
      { pasword: hunter },
      { pasword: '***' },
    ],
    ['in place of an object', z.object({ auth: z.object({ password: Secret }) }), { auth: hunter }, { auth: '***' }],
    ['in a Map', z.map(z.string(), Secret), new Map([['a', hunter]]), '***'],
  ])('a secret %s is hidden', (_, schema, config, redacted) => {
    expect(redactConfig(schema, config)).toEqual(redacted);
  });

  test('all other values stay as they are, and the config itself is not changed', () => {
    const date = new Date();
    const Config = z.object({
      auth: z.union([z.literal('none'), z.boolean(), z.object({ password: Secret })]),
      at: z.date(),
      password: Secret.optional(),
      tags: z.array(z.string()),
      any: z.any(),
    });
    const config = { auth: 'none', at: date, password: undefined, tags: ['a'], any: { deep: [1] } };
    expect(redactConfig(Config, config)).toEqual(config);
    expect(redactConfig(Config, { ...config, auth: true })).toEqual({ ...config, auth: true });
    const secretive = { ...config, password: hunter };
    redactConfig(Config, secretive);
    expect(secretive.password).toBe(hunter);
  });

  test('secretsOf collects every secret string once', () => {
    const Config = z.object({
      password: Secret,
      again: Secret,
      pin: secret(z.number()),
      account: secret(z.object({ id: z.string(), keys: z.array(z.string()), bytes: z.instanceof(Uint8Array) })),
      empty: Secret,
      host: z.string(),
    });
    const account = { id: 'account-id', keys: ['key-1'], bytes: Buffer.from('raw-bytes') };
    const config = { password: hunter, again: hunter, pin: 471_147, account, empty: '', host: 'localhost' };
    expect(secretsOf(Config, config)).toEqual([hunter, '471147', 'account-id', 'key-1', 'raw-bytes']);
  });

  test('what stands under an unknown key is a secret only where it can be a misplaced one', () => {
    const mistyped = { pasword: hunter, retries: 1, mode: 'all', tls: { pin: 4711, on: true } };
    expect(secretsOf(z.strictObject({ password: Secret }), mistyped)).toEqual([hunter, '4711']);
    expect(secretsOf(z.strictObject({ path: z.string() }), { codec: 'json' })).toEqual([]);
  });

  test.each([
    ['amqp://user:p%40ss@host:5672/vhost', 'amqp://user:***@host:5672/vhost', ['p%40ss', 'p@ss']],
    ['redis://:hunter2@host', 'redis://:***@host', ['hunter2']],
    ['https://host:8080/@scope/a:b', 'https://host:8080/@scope/a:b', []],
    [
      'postgres://host/db?user=u&password=hunter2&sslmode=require',
      'postgres://host/db?user=u&password=***&sslmode=require',
      ['hunter2'],
    ],
    ['redis://user:hunter/2@host', 'redis://user:***@host', ['hunter/2']],
    ['user:hunter2@host', 'user:***@host', ['hunter2']],
    ['amqp://a:one-pass@h1,amqp://b:two-pass@h2', 'amqp://a:***@h1,amqp://b:***@h2', ['one-pass', 'two-pass']],
    [
      'amqp://a:one-pass@h:1,amqp://b:two-pass@h',
      'amqp://a:***@h',
      ['one-pass', 'two-pass', 'one-pass@h:1,amqp://b:two-pass'],
    ],
    ['https://user@host/path', 'https://user@host/path', []],
  ])('the credentials in %s are secret, the rest is not', (url, redacted, secrets) => {
    const Config = z.object({ url: secretUrl(z.string()).optional(), urls: z.array(secretUrl(z.string())).optional() });
    expect(redactConfig(Config, { url, urls: [url] })).toEqual({ url: redacted, urls: [redacted] });
    expect(new Set(secretsOf(Config, { url }))).toEqual(new Set(secrets));
  });
});

describe('redactText', () => {
  test('replaces every occurrence, longest secret first', () => {
    expect(redactText('a hunter2 b xhunter2x hunter2-long', ['hunter2', 'hunter2-long'])).toBe('a *** b x***x ***');
  });

  test('replaces what a URL, a form or JSON makes of a secret', () => {
    const secretText = 'p@ß "w/d\\ 1\n';
    expect(redactText(`u:${encodeURIComponent(secretText)}@h`, [secretText])).toBe('u:***@h');
    expect(redactText(`u:${encodeURIComponent(secretText).toLowerCase()}@h`, [secretText])).toBe('u:***@h');
    expect(redactText(new URLSearchParams({ a: secretText }).toString(), [secretText])).toBe('a=***');
    expect(redactText(JSON.stringify({ a: secretText }), [secretText])).toBe('{"a":"***"}');
  });

  test.each(['u', 'us', 'user'])('replaces the base64 of a secret behind "%s:"', (user) => {
    const header = Buffer.from(`${user}:${hunter}`).toString('base64');
    expect(redactText(`authorization: Basic ${header}, retry`, [hunter])).toBe('authorization: Basic ***, retry');
    expect(redactText(`a ${'/x-'.slice(0, user.length - 1)}${header}`, [hunter])).toBe('a ***');
    expect(redactText(`token=${Buffer.from(`${user}:${hunter}??>>`).toString('base64url')}`, [hunter])).toBe(
      'token=***',
    );
  });

  test('replaces a short secret only where it stands alone', () => {
    expect(redactText('a user at host a:a@b, "a"; abc-a', ['a'])).toBe('*** user at host ***:***@b, "***"; abc-***');
    expect(redactText('user postgres1 at port 1', ['1'])).toBe('user postgres1 at port ***');
    expect(redactText(`Basic ${Buffer.from('u:abc').toString('base64')}`, ['abc'])).toBe('Basic ***');
  });

  test('leaves a text alone when there are no secrets', () => {
    expect(redactText('as it is', [])).toBe('as it is');
    expect(redactText('as it is', [''])).toBe('as it is');
  });

  test('leaves no form of any secret in any text', () => {
    const anySecret = fc.string({ unit: 'grapheme', minLength: 4, maxLength: 40 });
    fc.assert(
      fc.property(anySecret, fc.string(), fc.string(), (value, before, after) => {
        fc.pre(!value.includes('*'));
        const forms = [value, encodeURIComponent(value.toWellFormed()), JSON.stringify(value).slice(1, -1)];
        for (const form of forms) {
          expect(redactText(`${before}${form} ${after}`, [value])).not.toContain(form);
        }
        const encoded = Buffer.from(value).toString('base64');
        expect(redactText(`${before} ${encoded} ${after}`, [value])).not.toContain(encoded);
      }),
    );
  });
});

describe('redactError', () => {
  const context = { connector: 'acme', direction: 'sink', operation: 'open', partition: `p-${hunter}` } as const;

  function nativeError(): Error {
    const root = Object.assign(new TypeError(`bad password ${hunter}`), {
      code: 'EAUTH',
      errno: -3,
      input: `acme://u:${hunter}@h`,
    });
    const all = new AggregateError([root, new Error(`again ${hunter}`)], `all failed with ${hunter}`, { cause: root });
    return Object.assign(all, {
      config: { auth: { password: hunter }, [hunter]: 1, send: () => hunter },
      socket: new (class Socket {
        readonly password = hunter;
      })(),
      bytes: Buffer.from(hunter),
      list: [hunter, 1],
    });
  }

  test('message, stack, issues and the whole cause chain are free of secrets, also when inspected', () => {
    const error = new ConnectorError('unauthenticated', `acme sink could not open: refused ${hunter}`, {
      ...context,
      cause: new ConnectorError('unknown', `inner ${hunter}`, { cause: nativeError() }),
      retryAfterMs: 5,
      issues: [{ path: ['a', hunter, 0], message: `got ${hunter}` }],
    });
    const clean = redactError(error, [hunter]);
    const printed = inspect(clean, { depth: null, showHidden: true }) + clean.stack + clean.message;
    expect(printed).not.toContain('hunter2');
    expect(printed).not.toContain(Buffer.from(hunter).toString('hex').replaceAll(/(..)/g, '$1 ').trim());
    expect(clean).toMatchObject({
      code: 'unauthenticated',
      outcome: 'fatal',
      message: 'acme sink could not open: refused ***',
      connector: 'acme',
      direction: 'sink',
      operation: 'open',
      partition: 'p-***',
      retryAfterMs: 5,
      issues: [{ path: ['a', '***', 0], message: 'got ***' }],
    });
    expect(isConnectorError(clean.cause)).toBe(true);
    expect(error.message).toContain(hunter);
  });

  test('native causes keep name, code, plain data and where they were thrown', () => {
    const clean = redactError(new ConnectorError('unknown', 'x', { cause: nativeError() }), [hunter]);
    const native = clean.cause as AggregateError & Record<string, unknown>;
    expect(native).toBeInstanceOf(Error);
    expect(native.name).toBe('AggregateError');
    expect(native.errors[0]).toBe(native.cause);
    expect(native.errors[0]).toMatchObject({
      name: 'TypeError',
      code: 'EAUTH',
      errno: -3,
      message: 'bad password ***',
      input: 'acme://u:***@h',
    });
    expect(native).toMatchObject({
      config: { auth: { password: '***' }, '***': 1 },
      socket: '[Socket]',
      bytes: '[Buffer]',
      list: ['***', 1],
    });
    expect(native.stack).toMatch(/^AggregateError: all failed with \*\*\*\n\s+at nativeError .*redact\.test\.ts/);
    expect(clean.stack).toMatch(/^ConnectorError: x\n\s+at .*redact\.test\.ts/);
  });

  test('the place where an error was thrown is free of secrets', () => {
    const error = new ConnectorError('unknown', 'x');
    error.stack = `ConnectorError: x\n    at read (/home/${hunter}/app.js:1:1)`;
    expect(redactError(error, [hunter]).stack).toBe('ConnectorError: x\n    at read (/home/***/app.js:1:1)');
  });

  test('errors of odd shapes end in a clean copy', () => {
    const get = (): never => expect.unreachable();
    const odd = Object.defineProperty(new Error('x'), 'trap', { enumerable: true, get });
    Object.assign(odd, { message: { password: hunter }, name: 5, stack: undefined });
    const clean = redactError(new ConnectorError('unknown', 'x', { cause: odd }), [hunter]);
    expect(inspect(clean, { depth: null })).not.toContain('hunter2');
    expect(clean.cause).toMatchObject({ message: '[object Object]', name: '5' });
  });

  test('the name of the connector stays readable when a password is the same word', () => {
    const error = new ConnectorError('unauthenticated', 'postgres sink could not open: refused user "postgres"', {
      connector: 'postgres',
      direction: 'sink',
    });
    expect(redactError(error, ['postgres']).message).toBe('postgres sink could not open: refused user "***"');
  });

  test('errors and objects that refer to themselves end', () => {
    const native: Error & { self?: unknown } = new Error(hunter);
    const loop: Record<string, unknown> = { hunter };
    loop['self'] = loop;
    native.self = native;
    native.cause = loop;
    const clean = redactError(new ConnectorError('unknown', 'x', { cause: native }), [hunter]);
    expect(inspect(clean, { depth: null })).not.toContain('hunter2');
  });

  test.each([hunter, 5, null, { password: hunter }, 4_711_471_147])(
    'a cause that is no error (%j) is cleaned too',
    (cause) => {
      const clean = redactError(new ConnectorError('unknown', 'x', { cause }), [hunter, '4711471147']);
      expect(inspect(clean, { depth: null })).not.toMatch(/hunter2-secret|4711471147/);
    },
  );
});
