import type { Readable } from 'node:stream';
import type { Frames, Framing, ReadOptions, SourceBatch, SourceDriver } from '@sluice/core/driver';
import { named } from './error.js';
import { batchesOf } from './frame-batches.js';

/** Reads a stream of bytes as the partition `-`. What was read cannot be read again. */
export function openStdin(stream: Readable, framing: Framing): SourceDriver {
  // They outlive a lease, as a message may be cut in two by its end.
  const unframer = framing.unframe();
  let start = 0;
  const batches = (frames: Frames, options: ReadOptions): Iterable<SourceBatch> => {
    const { maxMessages, maxBytes } = options;
    const origin = { topic: '-', start, maxMessages, maxBytes, positionAt: () => null, lagAt: () => undefined };
    start = frames.ends.at(-1) ?? start;
    return batchesOf(frames, origin);
  };
  return {
    async *partitions() {
      yield ['-'];
    },
    async *read(_partition, _position, options) {
      const { signal } = options;
      while (!signal.aborted) {
        const chunk = await nextChunk(stream, signal);
        if (chunk !== undefined) yield* batches(unframer.push(chunk), options);
        else if (stream.readableEnded) {
          yield* batches(unframer.end(), options);
          return;
        }
      }
    },
    close: async () => {
      // So that the process may end while the other side is still open.
      stream.pause();
    },
  };
}

/** The next bytes; undefined when the stream has ended or reading was aborted. */
async function nextChunk(stream: Readable, signal: AbortSignal): Promise<Uint8Array | undefined> {
  for (;;) {
    // A stream of bytes without an encoding gives buffers.
    const chunk = stream.read() as Buffer | null;
    if (chunk !== null) return chunk;
    if (stream.errored !== null) throw named(stream.errored, 'standard input');
    if (stream.readableEnded || stream.destroyed || signal.aborted) return undefined;
    await change(stream, signal);
  }
}

const events = ['readable', 'end', 'error', 'close'];

/** Resolves when something may have happened to the stream. */
function change(stream: Readable, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of events) stream.off(event, done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    for (const event of events) stream.on(event, done);
    signal.addEventListener('abort', done);
  });
}
