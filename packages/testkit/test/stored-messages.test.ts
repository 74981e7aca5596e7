import { expect, test } from 'vitest';
import type { NativeMessage, SinkPlace } from '../src/conformance/harness.js';
import { expectStored } from '../src/conformance/stored-messages.js';

const [a0, a1, a2, b0] = ['a0', 'a1', 'a2', 'b0'].map((text) => ({ payload: Buffer.from(text) }));
const a = [a0, a1, a2] as readonly NativeMessage[];
const b = [b0] as readonly NativeMessage[];
const written = new Map([
  ['a', a],
  ['b', b],
]);

function placeOf(...stored: readonly (readonly (NativeMessage | undefined)[])[]): SinkPlace {
  return {
    config: {},
    // Nothing in it is undefined: the four messages are there.
    stored: () => Promise.resolve(stored as readonly (readonly NativeMessage[])[]),
    remove: () => Promise.resolve(),
  };
}

test('all that was written may be stored in several partitions, each in the order of the source', async () => {
  await expectStored(placeOf([a0, b0, a2], [a1]), written);
});

test('a message that is missing is named', async () => {
  await expect(expectStored(placeOf([a0, b0, a2]), written)).rejects.toThrow(/1 missing, first .*a1/);
});

test('a message that is stored twice is named, unless repeats are allowed', async () => {
  const place = placeOf([a0, a1, a0, a1, a2], [b0]);
  await expect(expectStored(place, written)).rejects.toThrow(/2 repeated, first .*a0/);
  await expectStored(place, written, { repeats: true });
});

test('what comes out of order is named, also among repeats, unless no order is asked for', async () => {
  const place = placeOf([a1, a0, b0, a1, a2]);
  await expect(expectStored(place, written, { repeats: true })).rejects.toThrow(
    /"a" is out of order: .*a0.* after .*a1/,
  );
  await expectStored(place, written, { repeats: true, anyOrder: true });
});
