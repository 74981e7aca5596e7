import { pipeline, type Readable } from 'node:stream';
import { promisify } from 'node:util';
import { constants, createGunzip, gzip, zstdCompress } from 'node:zlib';
import { decompressZstd } from './zstd-frames.js';

/** How a file is compressed. */
export type Compression = 'gzip' | 'zstd';

const extensions: Readonly<Record<string, Compression>> = { '.gz': 'gzip', '.zst': 'zstd' };

/** What the extension of a path says. */
export function compressionOf(path: string): Compression | undefined {
  return extensions[/\.[^./\\]+$/.exec(path)?.[0] ?? ''];
}

/** Decompresses a whole file, however many members or frames it has. Fails when it is damaged or cut off. */
export function decompress(input: Readable, compression: Compression, chunkBytes: number): AsyncIterable<Uint8Array> {
  if (compression === 'zstd') return decompressZstd(input, chunkBytes);
  // The callback is only there because pipeline() wants one: the loop over the decompressed bytes gets the error.
  return pipeline(input, createGunzip({ chunkSize: chunkBytes }), () => undefined);
}

const gzipAsync = promisify(gzip);
const zstdAsync = promisify(zstdCompress);

/** A gzip member or zstd frame of its own, so that a file may be cut off after it and appended to. */
export function compress(bytes: Uint8Array, compression: Compression): Promise<Uint8Array> {
  if (compression === 'gzip') return gzipAsync(bytes);
  return zstdAsync(bytes, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
}
