import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import { codecs, type NativeCodec } from '../connection/protocol.js';

/** Compression types by the number that a record batch names them with. gzip (1) is built into kafkajs. */
export const compressionTypes = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;

/** A compression, as it stands in configs. */
export type Compression = keyof typeof compressionTypes;

const compressZstd = promisify(zstdCompress);
const decompressZstd = promisify(zstdDecompress);

const zstd: NativeCodec = {
  compress: ({ buffer }) => compressZstd(buffer),
  decompress: (buffer) => decompressZstd(buffer),
};

/** The native libraries are loaded with the first batch that needs them. */
const snappy: NativeCodec = {
  async compress({ buffer }) {
    const { compress } = await import('snappy');
    return compress(buffer);
  },
  async decompress(buffer) {
    const { uncompress } = await import('snappy');
    const blocks = await Promise.all(snappyBlocks(buffer).map((block) => uncompress(block)));
    return Buffer.concat(blocks.map((block) => Buffer.from(block)));
  },
};

const lz4: NativeCodec = {
  async compress({ buffer }) {
    const { compressFrame } = await import('lz4-napi');
    return compressFrame(buffer);
  },
  async decompress(buffer) {
    const { decompressFrame } = await import('lz4-napi');
    return decompressFrame(buffer);
  },
};

/** Lets kafkajs use all compressions that Kafka has. A codec that the application has registered itself is replaced. */
export function registerCodecs(): void {
  codecs[compressionTypes.snappy] = () => snappy;
  codecs[compressionTypes.lz4] = () => lz4;
  codecs[compressionTypes.zstd] = () => zstd;
}

const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const xerialHeaderBytes = 16;

/**
 * The compressed blocks in what a producer wrote. The Java client uses the framing of snappy-java: a header, then blocks with
 * their length in front; others write one block without any framing.
 *
 * @see https://github.com/xerial/snappy-java
 */
export function snappyBlocks(buffer: Buffer): Buffer[] {
  if (!buffer.subarray(0, xerialMagic.length).equals(xerialMagic)) return [buffer];
  const blocks: Buffer[] = [];
  for (let at = xerialHeaderBytes; at < buffer.length; ) {
    const end = at + 4 + buffer.readInt32BE(at);
    blocks.push(buffer.subarray(at + 4, end));
    at = end;
  }
  return blocks;
}
