import type { SourceBatch } from '@sluice/core/driver';
import { endsWithin } from './end-client.js';

/** How long an aborted read may wait for an answer. */
const abortMs = 500;

/** Batches of a reading whose connection is broken when an abort does not end a pending pull. */
export function guardedRead(
  batches: AsyncGenerator<SourceBatch>,
  signal: AbortSignal,
  breakConnection: () => void,
): AsyncIterable<SourceBatch> {
  let pending: Promise<unknown> = Promise.resolve();
  const next = (): Promise<IteratorResult<SourceBatch>> => {
    const result = batches.next();
    pending = result;
    return result;
  };
  const giveUp = async (): Promise<void> => {
    if (!(await endsWithin(abortMs, pending))) breakConnection();
  };
  signal.addEventListener('abort', () => void giveUp(), { once: true });
  return { [Symbol.asyncIterator]: () => ({ next, return: () => batches.return(undefined) }) };
}
