import { ConnectorError } from '@sluice/core/driver';
import { type Compression, decompress } from './compression.js';
import type { BatchReader } from './one-by-one.js';
import type { Reading } from './partition-reader.js';
import { chunkBytesFor } from './read-plain.js';

/** Reads a compressed file to its end. What lies before the position is decompressed again, and passed over. */
export async function* readCompressed(reading: Reading, compression: Compression): BatchReader {
  const { file, cutter, from, signal } = reading;
  const highWaterMark = chunkBytesFor(reading);
  let offset = 0;
  // Not even a header: an output that nothing was written to yet.
  const isEmpty = file.stats.size === 0n;
  const chunks = isEmpty ? [] : decompress(file.handle.createReadStream({ highWaterMark }), compression, highWaterMark);
  for await (const chunk of chunks) {
    if (signal.aborted) return;
    const passedOver = Math.max(0, from - offset);
    offset += chunk.length;
    if (passedOver < chunk.length) yield cutter.push(chunk.subarray(passedOver));
  }
  if (offset < from) {
    throw new ConnectorError(
      'position_lost',
      `"${file.path}" was read up to byte ${from} of what it holds uncompressed, and holds only ${offset} now. Restore it, or reset the position.`,
    );
  }
  yield cutter.end();
  yield cutter.keepFromHere();
}
