import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { SourceCapabilities } from '../src/capabilities.js';
import { secret, secretUrl } from '../src/config.js';
import type { ErasedConnector } from '../src/connector.js';
import { describeConnector } from '../src/describe.js';
import { plainReading, plainWriting } from '../src/testing/inline-connector.js';

const reading: SourceCapabilities = { ...plainReading, bounded: false };

function connector(
  config: z.ZodType,
  capabilities: (config: unknown) => SourceCapabilities = () => reading,
): ErasedConnector {
  return {
    name: 'acme',
    title: 'Acme',
    contract: 1,
    source: { config, capabilities, open: () => Promise.reject(new Error('not opened')) },
  };
}

function fieldsOf(config: z.ZodType): unknown {
  return describeConnector(connector(config)).source?.fields;
}

describe('describeConnector', () => {
  test('gives name, title and the directions that there are, as plain JSON', () => {
    const sink = {
      config: z.strictObject({}),
      capabilities: () => plainWriting,
      open: () => Promise.reject(new Error('not opened')),
    };
    const description = describeConnector({ name: 'acme', title: 'Acme', contract: 1, sink });
    expect(description).toEqual({
      name: 'acme',
      title: 'Acme',
      contract: 1,
      sink: {
        schema: {
          $schema: 'https://json-schema.org/draft/2020-12/schema',
          type: 'object',
          properties: {},
          additionalProperties: false,
        },
        fields: [],
        capabilities: plainWriting,
        example: {},
      },
    });
    expect(JSON.parse(JSON.stringify(description))).toEqual(description);
  });

  test('describes the config as users write it: before transforms, defaults optional, secrets marked', () => {
    const config = z.strictObject({
      count: z.string().transform(Number),
      port: z.int().default(1).describe('The port.'),
      password: secret(z.string()).optional(),
      url: secretUrl(z.url()),
    });
    expect(describeConnector(connector(config)).source?.schema).toMatchObject({
      required: ['count', 'url'],
      additionalProperties: false,
      properties: {
        count: { type: 'string' },
        port: { type: 'integer', default: 1, description: 'The port.' },
        password: { type: 'string', secret: true },
        url: { type: 'string', format: 'uri', secret: 'url' },
      },
    });
  });

  test('lists every field with path, type, default, required, secret and description', () => {
    const config = z.strictObject({
      brokers: z
        .array(z.strictObject({ host: z.string().describe('Name.'), port: z.int().default(9092) }))
        .describe('Where.'),
      codec: z.enum(['none', 'gzip']).default('none').describe('How.'),
      tls: z.strictObject({ key: secret(z.string()).describe('Key.') }).optional(),
      headers: z.record(z.string(), secret(z.string())).optional(),
      tokens: z.array(secret(z.string())).optional(),
      range: z.tuple([z.number(), z.number()]).optional(),
      ids: z.array(z.union([z.string(), z.int()])).nullable(),
      at: z.date().optional(),
      url: secretUrl(z.string()).optional(),
    });
    const optional = { required: false, secret: false, description: '' };
    expect(fieldsOf(config)).toEqual([
      { ...optional, path: 'brokers', type: 'object[]', required: true, description: 'Where.' },
      { ...optional, path: 'brokers[].host', type: 'string', required: true, description: 'Name.' },
      { ...optional, path: 'brokers[].port', type: 'integer', default: 9092 },
      { ...optional, path: 'codec', type: '"none" | "gzip"', default: 'none', description: 'How.' },
      { ...optional, path: 'tls', type: 'object' },
      { ...optional, path: 'tls.key', type: 'string', required: true, secret: true, description: 'Key.' },
      { ...optional, path: 'headers', type: 'map of string', secret: true },
      { ...optional, path: 'tokens', type: 'string[]', secret: true },
      { ...optional, path: 'range', type: '[number, number]' },
      { ...optional, path: 'ids', type: '(string | integer)[] | null', required: true },
      { ...optional, path: 'at', type: 'any' },
      { ...optional, path: 'url', type: 'string', secret: true },
    ]);
  });

  test('merges the forms of a union into one row for each path', () => {
    const config = z.strictObject({
      framing: z.union([
        z.enum(['lines', 'csv']),
        z.strictObject({ type: z.literal('lines'), maxBytes: z.int().optional() }),
        z.strictObject({ type: z.literal('csv').describe('Which.'), delimiter: z.string() }),
      ]),
    });
    const row = { secret: false, description: '' };
    expect(fieldsOf(config)).toEqual([
      { ...row, path: 'framing', type: '"lines" | "csv" | object', required: true },
      { ...row, path: 'framing.type', type: '"lines" | "csv"', required: true, description: 'Which.' },
      { ...row, path: 'framing.maxBytes', type: 'integer', required: false },
      { ...row, path: 'framing.delimiter', type: 'string', required: false },
    ]);
  });

  test('describes each form of a config that is one of several', () => {
    const url = z.string().describe('Where.');
    const config = z.discriminatedUnion('mode', [
      z
        .strictObject({ url, mode: z.literal('all'), size: z.int() })
        .meta({ examples: [{ url: 'a', mode: 'all', size: 1 }] }),
      z.strictObject({ url, mode: z.literal('new'), size: z.string().optional() }),
    ]);
    const capabilities = (given: unknown): SourceCapabilities => ({
      ...reading,
      bounded: JSON.stringify(given).includes('"all"'),
    });
    const { forms, fields, example } = describeConnector(connector(config, capabilities)).source ?? {};
    const row = { required: true, secret: false, description: '' };
    const where = { ...row, path: 'url', type: 'string', description: 'Where.' };
    expect(forms).toEqual([
      {
        tag: ['mode', 'all'],
        fields: [where, { ...row, path: 'mode', type: '"all"' }, { ...row, path: 'size', type: 'integer' }],
        capabilities: { ...reading, bounded: true },
        example: { url: 'a', mode: 'all', size: 1 },
      },
      {
        tag: ['mode', 'new'],
        fields: [
          where,
          { ...row, path: 'mode', type: '"new"' },
          { ...row, path: 'size', type: 'string', required: false },
        ],
      },
    ]);
    expect(fields).toEqual([
      where,
      { ...row, path: 'mode', type: '"all" | "new"' },
      { ...row, path: 'size', type: 'integer | string', required: false },
    ]);
    expect(example).toEqual({ url: 'a', mode: 'all', size: 1 });
  });

  test('a config that holds itself ends', () => {
    interface Tree {
      readonly name: string;
      readonly below?: readonly Tree[] | undefined;
    }
    const Tree: z.ZodType<Tree> = z.lazy(() => z.strictObject({ name: z.string(), below: z.array(Tree).optional() }));
    const row = { secret: false, description: '' };
    expect(fieldsOf(z.strictObject({ tree: Tree }))).toEqual([
      { ...row, path: 'tree', type: 'object', required: true },
      { ...row, path: 'tree.name', type: 'string', required: true },
      { ...row, path: 'tree.below', type: 'object[]', required: false },
    ]);
  });

  test('tells the capabilities for the defaults, for the first example, or for the examples of the required fields', () => {
    const capabilities = (config: unknown): SourceCapabilities => ({
      ...reading,
      bounded: JSON.stringify(config).includes('once'),
    });
    const describe = (config: z.ZodType): unknown => {
      const { capabilities: told, example } = describeConnector(connector(config, capabilities)).source ?? {};
      return { bounded: told?.bounded, example };
    };
    expect(describe(z.strictObject({ mode: z.string().default('once') }))).toEqual({ bounded: true, example: {} });
    expect(describe(z.strictObject({ mode: z.string() }).meta({ examples: [{ mode: 'once' }] }))).toEqual({
      bounded: true,
      example: { mode: 'once' },
    });
    const fields = z.strictObject({
      topic: z.string().meta({ examples: ['orders'] }),
      kind: z.enum(['once', 'forever']),
    });
    expect(describe(fields)).toEqual({ bounded: true, example: { topic: 'orders', kind: 'once' } });
    expect(describe(z.strictObject({ topic: z.string() }))).toEqual({ bounded: undefined, example: undefined });
  });
});
