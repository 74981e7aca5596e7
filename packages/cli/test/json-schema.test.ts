import { defineConnector, z } from '@sluice/core/driver';
import { expect, test } from 'vitest';
import { pipelineFileSchema } from '../src/pipeline-file/json-schema.js';

const acme = defineConnector({
  name: 'acme',
  title: 'Acme queue',
  contract: 1,
  source: {
    config: z.strictObject({
      url: z.string().regex(/^acme:/),
      brokers: z.array(z.string().regex(/:\d+$/)),
      mode: z.enum(['push', 'pull']),
      port: z.int(),
      note: z.string().min(1),
      pattern: z.string(),
      default: z.int(),
    }),
    capabilities: () => ({
      position: 'source',
      replayable: true,
      order: 'partition',
      bounded: false,
      window: false,
      changes: false,
      keyed: false,
    }),
    open: () => Promise.reject(new Error('never opened')),
  },
});

test('a variable stands for every value, however strict its field is', () => {
  const schema = pipelineFileSchema([{ name: 'acme', connector: acme, from: 'here' }]);
  const variable = { type: 'string', pattern: '\\$\\{.+\\}' };
  expect(schema).toMatchObject({
    $defs: {
      source: {
        allOf: [
          {
            // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
            then: {
              properties: {
                config: {
                  properties: {
                    url: { anyOf: [{ type: 'string', pattern: '^acme:' }, variable] },
                    brokers: { items: { anyOf: [{ type: 'string' }, variable] } },
                    mode: { anyOf: [{ enum: ['push', 'pull'] }, variable] },
                    port: { anyOf: [{ type: 'integer' }, variable] },
                    note: { type: 'string', minLength: 1 },
                    pattern: { type: 'string' },
                    default: { anyOf: [{ type: 'integer' }, variable] },
                  },
                },
              },
            },
          },
        ],
      },
    },
  });
});
