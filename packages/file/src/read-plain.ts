import type { FileHandle } from 'node:fs/promises';
import { awaitChange } from './file-change.js';
import { identify, mayGrow } from './file-identity.js';
import type { BatchReader } from './one-by-one.js';
import type { Reading, SourceRun } from './partition-reader.js';

/** Fits the cache of a core, and is as fast as larger ones. */
const largestChunkBytes = 256 * 1024;
/** What is read of a file that says it holds nothing more, as those in /proc do. */
const probeBytes = 4096;

/** The least that decompression can work with. */
const smallestChunkBytes = 64;

/** How much to read at a time. */
export function chunkBytesFor({ maxBytes }: { readonly maxBytes: number }): number {
  return Math.max(smallestChunkBytes, Math.min(maxBytes, largestChunkBytes));
}

/** Reads an uncompressed file to its end or, when it is followed, until it is complete and the path means another file. */
export async function* readPlain(run: SourceRun, path: string, reading: Reading): BatchReader {
  const { cutter, signal } = reading;
  const { handle, stats } = reading.file;
  const chunkBytes = chunkBytesFor(reading);
  let offset = reading.from;
  let size = Number(stats.size);
  while (!signal.aborted) {
    if (offset >= size) size = (await handle.stat()).size;
    const chunk = await readChunk(handle, offset, Math.min(chunkBytes, Math.max(size - offset, probeBytes)));
    if (chunk.length > 0) {
      offset += chunk.length;
      cutter.size = Math.max(size, offset);
      if (mayGrow(cutter.identity, offset)) cutter.identity = await identify(handle, stats.ino, offset);
      yield cutter.push(chunk);
      continue;
    }
    if (run.follow === undefined) break;
    yield cutter.keepFromHere();
    const change = await awaitChange({ path, handle, offset, identity: cutter.identity }, run.follow, signal);
    if (change === 'finished') break;
    if (change === 'truncated') {
      run.notice(
        `"${path}" was truncated after byte ${offset} was read; reading it from its start. What was written in between is not known`,
      );
      offset = 0;
      size = 0;
      cutter.restart(await identify(handle, stats.ino, 0));
      yield [cutter.here()];
    }
  }
  if (signal.aborted) return;
  yield cutter.end();
  yield cutter.keepFromHere();
}

/** A buffer of its own each time: messages are views into it. */
async function readChunk(handle: FileHandle, position: number, bytes: number): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(bytes);
  const { bytesRead } = await handle.read(buffer, 0, bytes, position);
  return buffer.subarray(0, bytesRead);
}
