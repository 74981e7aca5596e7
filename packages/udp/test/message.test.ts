import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DatagramReader } from '../src/message.js';

const sender = { address: '192.0.2.1', port: 4711, family: 'IPv4', size: 3 } as const;

test('the payload is the datagram itself, and the sender stands in the headers', () => {
  const payload = Buffer.from(' a\n');
  const message = new DatagramReader().read(payload, sender);
  expect(message.payload).toBe(payload);
  expect(message.headers).toEqual([
    ['address', '192.0.2.1'],
    ['port', 4711],
    ['family', 'IPv4'],
  ]);
  expect(message).toMatchObject({ topic: undefined, key: null, timestamp: undefined, operation: undefined });
});

test('an empty datagram has an empty payload and not none', () => {
  expect(new DatagramReader().read(Buffer.alloc(0), { ...sender, size: 0 }).payload).toEqual(Buffer.alloc(0));
});

test('messages of one sender share their headers', () => {
  const reader = new DatagramReader();
  const first = reader.read(Buffer.from('a'), { ...sender });
  reader.read(Buffer.from('b'), { ...sender, port: 4712 });
  expect(reader.read(Buffer.from('c'), { ...sender }).headers).toBe(first.headers);
});

test('however senders follow each other, each message names its own', () => {
  // Ports that fall into the same slots, so that senders take them from each other.
  const anySender = fc.record({
    address: fc.constantFrom('192.0.2.1', '192.0.2.2', '::1'),
    port: fc.constantFrom(1, 1025, 2049, 2),
    family: fc.constantFrom<'IPv4' | 'IPv6'>('IPv4', 'IPv6'),
    size: fc.constant(0),
  });
  fc.assert(
    fc.property(fc.array(anySender), (senders) => {
      const reader = new DatagramReader();
      for (const from of senders) {
        const { headers } = reader.read(Buffer.alloc(0), from);
        expect(headers.slice(0, 2)).toEqual([
          ['address', from.address],
          ['port', from.port],
        ]);
      }
    }),
  );
});
