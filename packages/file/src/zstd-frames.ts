import { pipeline, Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';

const nothing: Buffer = Buffer.alloc(0);

/** What {@link walkFrames} wants next: bytes to look at, bytes to go over, or to be told that a frame ends here. */
type Wish = { readonly look: number } | { readonly skip: number } | 'end';

/**
 * Decompresses a file of any number of Zstandard frames. Node's stream drops what follows a frame within one chunk, and takes
 * a frame that is cut off for complete, so it gets each frame in chunks of its own and the frames are followed here.
 */
export function decompressZstd(input: Readable, chunkBytes: number): AsyncIterable<Uint8Array> {
  // The callback is only there because pipeline() wants one: the loop over the decompressed bytes gets the error.
  return pipeline(Readable.from(cutAtFrames(input)), createZstdDecompress({ chunkSize: chunkBytes }), () => undefined);
}

/** The same bytes in chunks of which none holds parts of two frames. */
async function* cutAtFrames(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const scanner = new FrameScanner();
  for await (const chunk of input) {
    let from = 0;
    for (const end of scanner.ends(chunk)) {
      yield chunk.subarray(from, end);
      from = end;
    }
    if (from < chunk.length) yield chunk.subarray(from);
  }
  if (scanner.isInside) throw failure('Z_BUF_ERROR', 'unexpected end of file');
}

/** Finds where frames end. */
class FrameScanner {
  /** Whether the bytes so far end inside a frame. */
  isInside = false;
  readonly #walker = walkFrames();
  #wish = next(this.#walker);
  #looked = nothing;

  /** The offsets in the chunk at which frames end. */
  *ends(chunk: Uint8Array): Generator<number> {
    for (let at = 0; at < chunk.length; ) {
      at += this.#take(chunk.subarray(at));
      this.isInside = this.#wish !== 'end';
      if (this.isInside) continue;
      yield at;
      this.#wish = next(this.#walker);
    }
  }

  /** Uses bytes for what is wished for, and says how many. */
  #take(bytes: Uint8Array): number {
    const wish = this.#wish;
    if (wish === 'end') return 0;
    if ('skip' in wish) {
      const skipped = Math.min(wish.skip, bytes.length);
      this.#wish = skipped < wish.skip ? { skip: wish.skip - skipped } : next(this.#walker);
      return skipped;
    }
    const part = bytes.subarray(0, wish.look - this.#looked.length);
    this.#looked = Buffer.concat([this.#looked, part]);
    if (this.#looked.length === wish.look) {
      this.#wish = next(this.#walker, this.#looked);
      this.#looked = nothing;
    }
    return part.length;
  }
}

/** Follows the frames of a file by their headers: https://www.rfc-editor.org/rfc/rfc8878#section-3.1 */
function* walkFrames(): Generator<Wish, never, Buffer> {
  for (;;) {
    const magic = (yield { look: 4 }).readUInt32LE();
    if (magic >= 0x184d2a50 && magic <= 0x184d2a5f) {
      yield* skip((yield { look: 4 }).readUInt32LE());
    } else if (magic === 0xfd2fb528) {
      const descriptor = (yield { look: 1 }).readUInt8();
      yield* skip(headerBytes(descriptor));
      for (let last = false; !last; ) {
        const block = (yield { look: 3 }).readUIntLE(0, 3);
        last = (block & 1) === 1;
        const isRepeatedByte = ((block >> 1) & 3) === 1;
        yield* skip(isRepeatedByte ? 1 : block >> 3);
      }
      const hasChecksum = (descriptor & 4) !== 0;
      yield* skip(hasChecksum ? 4 : 0);
    } else throw failure('ZSTD_error_prefix_unknown', 'neither a Zstandard frame nor the end of the file');
    yield 'end';
  }
}

function* skip(bytes: number): Generator<Wish, void, Buffer> {
  if (bytes > 0) yield { skip: bytes };
}

/** Bytes of a frame header after its descriptor: window, dictionary id, content size. */
function headerBytes(descriptor: number): number {
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const contentSize = descriptor >> 6;
  const contentSizeBytes = contentSize === 0 ? (isSingleSegment ? 1 : 0) : 1 << contentSize;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  return (isSingleSegment ? 0 : 1) + dictionaryBytes + contentSizeBytes;
}

function next(walker: Generator<Wish, never, Buffer>, looked: Buffer = nothing): Wish {
  // It never returns, so there always is a wish.
  return walker.next(looked).value;
}

/** In the form of Node's own errors of decompression. */
function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
