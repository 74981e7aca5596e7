import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
// The part of kafkajs 2.2.4 that reads arrays of any answer.
const { prototype } = require('kafkajs/src/protocol/decoder') as {
  prototype: { readArray(read: (decoder: object) => unknown): unknown[] };
};
const { readArray } = prototype;

/**
 * Makes kafkajs's consumer leave out all messages of aborted transactions. It takes the broker's list of them for sorted by
 * first offset, and the broker sorts by when they were aborted: of two that overlap it then shows messages of one.
 */
export function sortAbortedTransactions(): void {
  prototype.readArray = function (read) {
    const found = readArray.call(this, read);
    return found.every(isAbortedTransaction) ? found.toSorted(byFirstOffset) : found;
  };
}

/** As kafkajs decodes it. */
interface AbortedTransaction {
  readonly firstOffset: string;
}

function isAbortedTransaction(value: unknown): value is AbortedTransaction {
  return typeof value === 'object' && value !== null && 'firstOffset' in value && typeof value.firstOffset === 'string';
}

function byFirstOffset(a: AbortedTransaction, b: AbortedTransaction): number {
  return Number(a.firstOffset) - Number(b.firstOffset);
}
