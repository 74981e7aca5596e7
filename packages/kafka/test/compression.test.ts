import { beforeAll, expect, test } from 'vitest';
import { codecs } from '../src/connection/protocol.js';
import { compressionTypes, registerCodecs, snappyBlocks } from '../src/records/compression.js';

beforeAll(registerCodecs);

test.for(Object.entries(compressionTypes).filter(([name]) => name !== 'none'))(
  '%s gives back what it was given',
  async ([, type]) => {
    const codec = codecs[type]?.();
    for (const size of [0, 1, 1000, 300_000]) {
      const buffer = Buffer.alloc(size, 'a text that repeats itself ');
      const packed = await codec?.compress({ buffer });
      expect(await codec?.decompress(packed ?? Buffer.alloc(0))).toEqual(buffer);
      if (size > 1000) expect(packed?.length).toBeLessThan(size / 5);
    }
  },
);

test('reads the framing of snappy-java, which the Java client writes', async () => {
  const codec = codecs[compressionTypes.snappy]?.();
  if (codec === undefined) throw new Error('snappy is not registered');
  const parts = [Buffer.alloc(100, 'x'), Buffer.alloc(50, 'y')];
  const blocks = await Promise.all(parts.map((buffer) => codec.compress({ buffer })));
  const header = Buffer.from('82534e41505059000000000100000001', 'hex');
  const framed = blocks.flatMap((block) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(block.length);
    return [length, block];
  });
  const packed = Buffer.concat([header, ...framed]);
  expect(snappyBlocks(packed)).toHaveLength(2);
  expect(await codec.decompress(packed)).toEqual(Buffer.concat(parts));
});
