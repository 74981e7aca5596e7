import { expect, test } from 'vitest';
import { apiKeyOf, createRequest, nativeVersion } from '../src/connection/protocol.js';

// protocol.ts is written from the source of one version of kafkajs and reaches into it. With another one, everything has to be
// looked at again.
test('kafkajs is the version whose inside is used', () => {
  expect(nativeVersion).toBe('2.2.4');
});

test('says which version of Kafka is needed when a broker is too old', () => {
  const versions = { [apiKeyOf('Fetch')]: { minVersion: 0, maxVersion: 4 } };
  expect(() => createRequest('Fetch', {}, versions, 11)).toThrow(/speaks version 0 to 4 of Fetch.*Kafka 2\.3/);
});
