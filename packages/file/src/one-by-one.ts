import type { SourceBatch } from '@sluice/core/driver';

/** Reads on: each array holds the batches of one chunk, and is emptied by whoever takes them. */
export type BatchReader = AsyncGenerator<SourceBatch[]>;

/**
 * Hands batches out, and holds none that it has handed out: what a generator yielded, or `yield*` passed on, stays in its
 * frame until the next one comes, with all the messages.
 */
export function oneByOne(reader: BatchReader): AsyncIterable<SourceBatch> {
  let waiting: SourceBatch[] = [];
  const iterator: AsyncIterator<SourceBatch> = {
    async next() {
      for (;;) {
        const value = waiting.shift();
        if (value !== undefined) return { value, done: false };
        const result = await reader.next();
        if (result.done === true) return { value: undefined, done: true };
        waiting = result.value;
      }
    },
    async return() {
      waiting = [];
      await reader.return(undefined);
      return { value: undefined, done: true };
    },
  };
  return { [Symbol.asyncIterator]: () => iterator };
}
