import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isMulticast, parseAddress, resolveHost } from '../src/address.js';

test.each([
  ['localhost:7200', 'localhost', 7200],
  ['192.0.2.1:1', '192.0.2.1', 1],
  ['[::1]:65535', '::1', 65_535],
  ['::1:5000', '::1', 5000],
  ['[fe80::1%eth0]:5000', 'fe80::1%eth0', 5000],
])('%s is split into host and port', (text, host, port) => {
  expect(parseAddress(text)).toEqual({ host, port });
});

test.each([
  '',
  'localhost',
  ':7200',
  'localhost:',
  'localhost:0',
  'localhost:65536',
  'localhost:7x',
  '[::1]',
  'undefined:',
])('"%s" is refused', (text) => {
  expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: 'message_invalid' }));
});

test('every IP address and port survives being written and read', () => {
  const written = fc.tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 1, max: 65_535 }));
  fc.assert(
    fc.property(written, ([host, port]) => {
      expect(parseAddress(`[${host}]:${port}`)).toEqual({ host, port });
      expect(parseAddress(`${host}:${port}`)).toEqual({ host, port });
    }),
  );
});

test('an IP address is not looked up', async () => {
  expect(await resolveHost('192.0.2.1')).toEqual({ ip: '192.0.2.1', type: 'udp4' });
  expect(await resolveHost('fe80::1%eth0')).toEqual({ ip: 'fe80::1%eth0', type: 'udp6' });
});

test('a name is looked up', async () => {
  expect(['127.0.0.1', '::1']).toContain((await resolveHost('localhost')).ip);
});

test('groups are told from other addresses', () => {
  expect(['224.0.0.1', '239.255.255.255', 'ff02::1', 'FF05::1'].map(isMulticast)).toEqual([true, true, true, true]);
  expect(['223.255.255.255', '240.0.0.1', 'fe80::1', 'localhost', ''].map(isMulticast)).toEqual(Array(5).fill(false));
});
