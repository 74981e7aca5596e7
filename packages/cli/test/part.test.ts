import { defineConnector, secret, z } from '@sluice/core/driver';
import { expect, test } from 'vitest';
import { drop } from '../src/drop/connector.js';
import { secretsIn } from '../src/part.js';

test('a password that is the name of its connector is no secret in texts, where stars would give it away', () => {
  const acme = defineConnector({
    name: 'acme',
    title: 'Acme',
    contract: 1,
    source: {
      config: z.strictObject({ password: secret(z.string()), token: secret(z.string()) }),
      capabilities: () => ({
        position: 'none',
        replayable: false,
        order: 'none',
        bounded: true,
        window: false,
        changes: false,
        keyed: false,
      }),
      open: () => Promise.reject(new Error('not opened')),
    },
  });
  const source = acme.source({ password: 'acme', token: 'acme-token' });
  expect(secretsIn({ name: 'p', source, sink: drop.sink({}) })).toEqual(['acme-token']);
});
