import { Readable } from 'node:stream';
import { constants, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decompressZstd } from '../src/zstd-frames.js';

async function decompressInChunks(bytes: Buffer, chunkBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) chunks.push(bytes.subarray(at, at + chunkBytes));
  const parts: Uint8Array[] = [];
  for await (const part of decompressZstd(Readable.from(chunks), 64 * 1024)) parts.push(part);
  return Buffer.concat(parts);
}

function skippableFrame(content: Uint8Array): Buffer {
  const frame = Buffer.alloc(8 + content.length);
  frame.writeUInt32LE(0x184d2a53, 0);
  frame.writeUInt32LE(content.length, 4);
  frame.set(content, 8);
  return frame;
}

describe('decompressing Zstandard', () => {
  test('gives all frames back, however they are cut into chunks', async () => {
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 2000 }),
      fc.nat({ max: 200_000 }).map((length) => new Uint8Array(length).fill(7)),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(content, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 3000 }),
        async (contents, chunkBytes) => {
          const file = Buffer.concat(contents.map((bytes) => zstdCompressSync(bytes)));
          expect(await decompressInChunks(file, chunkBytes)).toEqual(Buffer.concat(contents));
        },
      ),
      { numRuns: 30 },
    );
  });

  test('passes over skippable frames, as parallel compressors write them', async () => {
    const file = Buffer.concat([
      skippableFrame(Buffer.from('size')),
      zstdCompressSync('first\n'),
      skippableFrame(Buffer.alloc(0)),
      zstdCompressSync('second\n'),
    ]);
    for (const chunkBytes of [1, 3, 1000])
      expect(String(await decompressInChunks(file, chunkBytes))).toBe('first\nsecond\n');
  });

  test('refuses a file that is cut off at any byte inside a frame', async () => {
    const first = zstdCompressSync('first\n');
    const file = Buffer.concat([first, zstdCompressSync('second\n')]);
    for (let length = 1; length < file.length; length++) {
      const result = decompressInChunks(file.subarray(0, length), 7);
      if (length === first.length) expect(String(await result)).toBe('first\n');
      else await expect(result).rejects.toMatchObject({ code: 'Z_BUF_ERROR' });
    }
  });

  test('refuses what is not Zstandard, also after a good frame', async () => {
    await expect(decompressInChunks(Buffer.from('hello world'), 100)).rejects.toMatchObject({
      code: 'ZSTD_error_prefix_unknown',
    });
    const file = Buffer.concat([zstdCompressSync('good\n'), Buffer.from('hello world')]);
    await expect(decompressInChunks(file, 100)).rejects.toMatchObject({ code: 'ZSTD_error_prefix_unknown' });
  });

  test('refuses a frame with a checksum whose bytes were changed', async () => {
    const file = zstdCompressSync(Buffer.alloc(100_000, 'some text'), {
      params: { [constants.ZSTD_c_checksumFlag]: 1 },
    });
    file[20] = (file[20] ?? 0) ^ 0xff;
    await expect(decompressInChunks(file, 1000)).rejects.toMatchObject({
      code: expect.stringMatching(/^(ZSTD_|Z_)/) as string,
    });
  });
});
