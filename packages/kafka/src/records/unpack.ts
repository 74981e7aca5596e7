import { ConnectorError, type Message, type Position, type SourceBatch } from '@sluice/core/driver';
import type { FetchedPartition } from '../reading/fetch-answer.js';
import { AbortedTransactions } from './aborted-transactions.js';
import { openRecords, type PackedRecords } from './packed-records.js';
import { type BatchHeader, type RecordBatch, readHeader, splitBatches } from './record-batch.js';

/** How fetched records become batches. */
export interface UnpackSettings {
  /** The offset that was asked for; a record batch may begin before it. */
  readonly from: number;
  /** The offset to end at; undefined for no end. */
  readonly end: number | undefined;
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** Whether messages of aborted transactions are left out. */
  readonly committedOnly: boolean;
}

/**
 * Turns what was fetched of one partition into batches, unpacking no more than one record batch at a time. Each takes as much
 * as the limits allow. The last batch is empty when only control records, aborted messages or gaps were left.
 */
export async function* unpack(fetched: FetchedPartition, settings: UnpackSettings): AsyncGenerator<SourceBatch> {
  const { from, end = Number.POSITIVE_INFINITY, committedOnly } = settings;
  const aborted = committedOnly ? new AbortedTransactions(fetched.aborted) : undefined;
  const visible = committedOnly ? fetched.lastStableOffset : fetched.highWatermark;
  const limits = { ...settings, end };
  let filling = new FetchedBatch(from);
  for (const batch of splitBatches(fetched.records)) {
    if (filling.position >= end) break;
    const header = batch.magic < 2 ? undefined : readHeader(batch);
    const hidden = header !== undefined && (aborted?.hides(batch, header) === true || header.control);
    if (!hidden && batch.lastOffset >= from) {
      const records = await openBatch(fetched, batch, header);
      while (!takeFrom(fetched, batch, () => filling.take(records, limits))) {
        yield filling.withLag(visible);
        filling = new FetchedBatch(filling.position);
      }
    }
    filling.position = Math.max(filling.position, Math.min(batch.lastOffset + 1, end));
  }
  if (filling.position > filling.from) yield filling.withLag(visible);
}

/** Which messages are wanted, and how many together. `end` is the first offset that is not. */
interface BatchLimits {
  readonly from: number;
  readonly end: number;
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/** Messages that were read together, and the offset of each. */
class FetchedBatch implements SourceBatch {
  readonly messages: Message[] = [];
  readonly from: number;
  position: number;
  bytes = 0;
  lag = 0;
  readonly #offsets: number[] = [];

  constructor(from: number) {
    this.from = from;
    this.position = from;
  }

  positionAt(index: number): Position {
    const offset = this.#offsets[index];
    return offset === undefined ? this.position : offset + 1;
  }

  withLag(visibleEnd: number): this {
    this.lag = Math.max(0, visibleEnd - this.position);
    return this;
  }

  /** Takes records as far as the limits allow. Whether all that are wanted were taken. */
  take(records: PackedRecords, { from, end, maxMessages, maxBytes }: BatchLimits): boolean {
    while (records.left > 0) {
      const size = records.nextBytes;
      const count = this.messages.length;
      if (count >= maxMessages || (count > 0 && this.bytes + size > maxBytes)) return false;
      const message = records.read();
      const { offset } = records;
      if (offset >= end) return true;
      if (offset < from) continue;
      this.messages.push(message);
      this.#offsets.push(offset);
      this.bytes += size;
      this.position = offset + 1;
    }
    return true;
  }
}

async function openBatch(
  fetched: FetchedPartition,
  batch: RecordBatch,
  header: BatchHeader | undefined,
): Promise<PackedRecords> {
  try {
    return await openRecords(fetched.topic, batch, header);
  } catch (cause) {
    throw damaged(fetched, batch, cause);
  }
}

function takeFrom(fetched: FetchedPartition, batch: RecordBatch, take: () => boolean): boolean {
  try {
    return take();
  } catch (cause) {
    throw damaged(fetched, batch, cause);
  }
}

function damaged({ topic, partition }: FetchedPartition, { baseOffset }: RecordBatch, cause: unknown): ConnectorError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const where = `the records of partition ${partition} of topic "${topic}" from offset ${baseOffset} on`;
  return new ConnectorError('message_invalid', `${where} cannot be unpacked: ${reason}. Start behind them to go on.`, {
    cause,
  });
}
