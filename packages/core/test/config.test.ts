import { describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { parseConfig, secret, secretUrl } from '../src/config.js';
import { ConnectorError } from '../src/error.js';

const TestConfig = z.strictObject({
  brokers: z.array(z.string().min(1)).min(1),
  groupId: z.string(),
  port: z.int().min(1).max(65_535).default(9092),
  password: secret(z.string().min(8)).optional(),
  compression: z.enum(['none', 'gzip', 'zstd']).default('none'),
  tls: z.strictObject({ rejectUnauthorized: z.boolean(), key: secret(z.string()) }).optional(),
});

function problems(schema: z.ZodType, raw: unknown): string[] {
  return failure(schema, raw).issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

function failure(schema: z.ZodType, raw: unknown): ConnectorError {
  try {
    parseConfig(schema, raw, 'acme source');
  } catch (error) {
    if (error instanceof ConnectorError) return error;
    throw error;
  }
  throw new Error('the config was accepted');
}

describe('parseConfig', () => {
  test('returns the config with its defaults, typed as the output of the schema', () => {
    const config = parseConfig(TestConfig, { brokers: ['a'], groupId: 'g' }, 'acme source');
    expect(config).toEqual({ brokers: ['a'], groupId: 'g', port: 9092, compression: 'none' });
    expectTypeOf(config.port).toEqualTypeOf<number>();
  });

  test.each([undefined, null, {}])('takes %j for an empty config', (raw) => {
    expect(parseConfig(z.strictObject({ port: z.int().default(1) }), raw, 'acme source')).toEqual({ port: 1 });
  });

  test('tells every problem at once, in one line and as data', () => {
    const error = failure(TestConfig, {
      brokers: ['a', ''],
      port: 'abc',
      tls: { rejectUnauthorized: 1, key: 'k' },
      grupId: 'g',
    });
    expect(error.code).toBe('config_invalid');
    expect(error.message).toBe(
      'acme source config is invalid: ' +
        'brokers[1]: too small: expected string to have >=1 characters, got string ""; ' +
        'groupId: missing, expected string; ' +
        'port: expected number, got string "abc"; ' +
        'tls.rejectUnauthorized: expected boolean, got number 1; ' +
        'grupId: unknown key, did you mean "groupId"?',
    );
    expect(error.issues.map((issue) => issue.path)).toEqual([
      ['brokers', 1],
      ['groupId'],
      ['port'],
      ['tls', 'rejectUnauthorized'],
      ['grupId'],
    ]);
    expect(error.cause).toBeUndefined();
  });

  test('names the allowed values, the kind that was expected, and what is there instead', () => {
    const schema = z.strictObject({
      mode: z.enum(['insert', 'upsert']),
      count: z.int(),
      list: z.array(z.string()),
      when: z.literal('now'),
      map: z.record(z.string().regex(/^[a-z]+$/), z.string()),
    });
    expect(problems(schema, { mode: 'upsrt', count: 1.5, list: { a: 1 }, when: null, map: { 'A b': 'x' } })).toEqual([
      'mode: expected "insert" or "upsert", got string "upsrt"',
      'count: expected integer, got number 1.5',
      'list: expected array, got object',
      'when: expected "now", got null',
      'map.A b: invalid key: invalid string: must match pattern /^[a-z]+$/, got "A b"',
    ]);
  });

  test('shortens a long value and keeps the text on one line', () => {
    const error = failure(z.strictObject({ port: z.number() }), { port: `a\nb${'x'.repeat(500)}` });
    expect(error.message).toMatch(/^acme source config is invalid: port: expected number, got string "a\\nbx+\.\.\."$/);
    expect(error.message.length).toBeLessThan(140);
  });

  test('says what the whole config has to be when it is of another kind', () => {
    expect(failure(z.strictObject({}), 'x').message).toBe(
      'acme source config is invalid: expected object, got string "x"',
    );
  });

  test('keeps the text of an author and puts it on one line', () => {
    const schema = z.strictObject({ from: z.number(), to: z.number() }).refine(({ from, to }) => from < to, {
      path: ['to'],
      message: 'must be above\n"from"',
    });
    expect(problems(schema, { from: 2, to: 1 })).toEqual(['to: must be above "from"']);
  });

  test('writes keys that are no plain names in brackets', () => {
    const error = failure(z.strictObject({ map: z.record(z.string(), z.strictObject({ size: z.number() })) }), {
      map: { 'a b': {} },
    });
    expect(error.message).toContain('map["a b"].size: missing, expected number');
  });

  test('reports a schema that throws as a bug of the connector, without the secret', () => {
    const schema = z.strictObject({
      url: secret(z.string()).transform((url) => {
        throw new TypeError(`cannot read ${url}`);
      }),
    });
    const error = failure(schema, { url: 'hunter2-url' });
    expect(error.code).toBe('internal');
    expect(error.message).toBe(
      "acme source config could not be checked: cannot read ***. Report this to the connector's author",
    );
    expect(String((error.cause as Error).stack)).not.toContain('hunter2');
  });
});

describe('unknown keys', () => {
  const schema = z.strictObject({
    topic: z.string().optional(),
    maxBytes: z.number().optional(),
    host: z.string().optional(),
  });

  test.each([
    ['tpoic', 'topic'],
    ['topics', 'topic'],
    ['max_bytes', 'maxBytes'],
    ['MAXBYTES', 'maxBytes'],
    ['hsot', 'host'],
    ['maxByte', 'maxBytes'],
  ])('%s is near to %s', (key, known) => {
    expect(problems(schema, { [key]: 1 })).toEqual([`${key}: unknown key, did you mean "${known}"?`]);
  });

  test.each(['port', 'retries', 'x'])('%s is near to none, so all known keys are named', (key) => {
    expect(problems(schema, { [key]: 1 })).toEqual([`${key}: unknown key, known are topic, maxBytes, host`]);
  });

  test('leave the texts of other problems readable, whatever stands under them', () => {
    const timeoutMs = z.number().min(10, { error: 'must be 10 at least, not 1' });
    const Limited = z.strictObject({ timeoutMs, password: secret(z.string()) });
    expect(problems(Limited, { timeoutMs: 1, password: 'x', retries: 1 })).toEqual([
      'timeoutMs: must be 10 at least, not 1',
      'retries: unknown key, known are timeoutMs, password',
    ]);
    expect(problems(z.strictObject({ path: z.url() }), { path: 'a.json', codec: 'json' })).toEqual([
      'path: invalid URL, got string "a.json"',
      'codec: unknown key, known are path',
    ]);
  });

  test('are near to the keys of the nested object that they stand in', () => {
    const nested = z.strictObject({
      listen: z.array(z.strictObject({ address: z.string() })),
      adress: z.string().optional(),
    });
    expect(problems(nested, { listen: [{ address: 'a', adres: 1 }] })).toEqual([
      'listen.0.adres: unknown key, did you mean "address"?',
    ]);
  });
});

describe('unions', () => {
  const Framing = z.union([
    z.enum(['lines', 'whole']),
    z.strictObject({ type: z.literal('lines'), maxBytes: z.int().optional() }),
    z.strictObject({ type: z.literal('csv'), delimiter: z.string().max(1).optional(), header: z.boolean().optional() }),
  ]);
  const Auth = z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('plain'), user: z.string(), password: secret(z.string()) }),
    z.strictObject({ type: z.literal('token'), token: secret(z.string()) }),
  ]);

  test('a plain union tells the problems of the branch that the value comes nearest to', () => {
    expect(problems(Framing, { type: 'csv', delimitr: ';' })).toEqual([
      'delimitr: unknown key, did you mean "delimiter"?',
    ]);
    expect(problems(Framing, { type: 'csv', delimiter: 1, maxBytes: 1 })).toEqual([
      'delimiter: expected string, got number 1',
      'maxBytes: unknown key, known are type, delimiter, header',
    ]);
    expect(problems(Framing, { type: 'lines', maxBytes: 'x' })).toEqual(['maxBytes: expected number, got string "x"']);
    expect(problems(Framing, { type: 'csv', delimiter: ';;', maxBytes: 1 })).toEqual([
      'delimiter: too big: expected string to have <=1 characters, got string ";;"',
      'maxBytes: unknown key, known are type, delimiter, header',
    ]);
  });

  test('a plain union without tags takes the branch with the fewest problems', () => {
    const schema = z.strictObject({
      to: z.union([z.strictObject({ url: z.string() }), z.strictObject({ host: z.string(), port: z.number() })]),
    });
    expect(problems(schema, { to: { hots: 'a', port: 1 } })).toEqual([
      'to.host: missing, expected string',
      'to.hots: unknown key, did you mean "host"?',
    ]);
  });

  test('a value of another kind than every branch is told all that would be right', () => {
    expect(problems(Framing, 'lnes')).toEqual([': expected "lines", "whole" or object, got string "lnes"']);
    expect(problems(z.strictObject({ at: z.union([z.number(), z.string()]) }), {})).toEqual([
      'at: missing, expected number or string',
    ]);
    const nested = z.union([z.union([z.number(), z.null()]), z.string()]);
    expect(problems(nested, [])).toEqual([': expected number, null or string, got array']);
  });

  test('a discriminated union tells its tags, and the problems of the branch of the tag', () => {
    expect(problems(Auth, { type: 'plan', user: 'u' })).toEqual([
      'type: expected "plain" or "token", got string "plan"',
    ]);
    expect(problems(Auth, {})).toEqual(['type: missing, expected "plain" or "token"']);
    expect(problems(Auth, { type: 'token', user: 'u' })).toEqual([
      'token: missing, expected string',
      'user: unknown key, known are type, token',
    ]);
    expect(
      problems(z.strictObject({ auth: Auth.optional() }), { auth: { type: 'token', tokn: 'hunter2-token' } }),
    ).toEqual(['auth.token: missing, expected string', 'auth.tokn: unknown key, did you mean "token"?']);
  });

  test("an author's text for the whole union is kept", () => {
    expect(problems(z.union([z.number(), z.strictObject({})], { error: 'give a port or nothing' }), 'x')).toEqual([
      ': give a port or nothing',
    ]);
  });
});

describe('secrets in texts of problems', () => {
  const hunter = 'hunter2-secret';
  const Url = z.strictObject({ url: secretUrl(z.url({ protocol: /^amqps?$/ })) });

  test.each<[string, z.ZodType, unknown]>([
    ['of the wrong length', TestConfig, { brokers: ['a'], groupId: 'g', password: 'hunter2' }],
    ['of the wrong kind', z.strictObject({ pin: secret(z.string()) }), { pin: 4711_4711 }],
    ['in a URL that is not accepted', Url, { url: `http://user:${hunter}@host` }],
    ['in something that is no URL', Url, { url: `user:${hunter}@host` }],
    ['in place of the object that holds it', TestConfig, { brokers: ['a'], groupId: 'g', tls: hunter }],
    ['in place of the whole config', TestConfig, hunter],
    ['in a list', z.strictObject({ keys: z.array(secret(z.int())) }), { keys: [hunter] }],
    [
      'in a map',
      z.strictObject({ headers: z.record(z.string(), secret(z.string().max(3))) }),
      { headers: { a: hunter } },
    ],
    ['in a union', z.strictObject({ auth: z.union([z.boolean(), secret(z.string().max(3))]) }), { auth: hunter }],
    ['under a misspelt key', TestConfig, { brokers: ['a'], groupId: 'g', pasword: hunter }],
    ['marked outside of optional', z.strictObject({ pin: secret(z.string().max(3).optional()) }), { pin: hunter }],
    [
      'quoted by a text of the author',
      z
        .strictObject({ token: secret(z.string()) })
        .refine(() => false, { error: ({ input }) => `bad ${JSON.stringify(input)}` }),
      { token: hunter },
    ],
    [
      'repeated in a field that is not secret',
      z.strictObject({ password: secret(z.string()), port: z.number() }),
      { password: hunter, port: `${hunter}!` },
    ],
  ])('do not appear %s', (_, schema, raw) => {
    const error = failure(schema, raw);
    const printed = error.message + JSON.stringify(error.issues) + String(error.stack);
    expect(error.issues).toHaveLength(1);
    expect(printed).not.toContain('hunter2');
    expect(printed).not.toContain('4711');
  });

  test('are told by their kind', () => {
    expect(problems(z.strictObject({ pin: secret(z.string()) }), { pin: 47_114_711 })).toEqual([
      'pin: expected string, got number',
    ]);
  });

  test('do not hide values beside them', () => {
    expect(problems(TestConfig, { brokers: ['a'], groupId: 'g', password: 'hunter2-secret', port: 'x' })).toEqual([
      'port: expected number, got string "x"',
    ]);
  });
});
