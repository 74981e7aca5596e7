import type { Message } from '@sluice/core/driver';
import { decodeOldRecords, type OldRecord } from '../connection/protocol.js';
import { oldMessage, readMessage } from '../message.js';
import { type BatchHeader, type RecordBatch, unpackRecords } from './record-batch.js';
import { RecordCursor } from './record-cursor.js';

/** The records of one record batch, read one after the other. */
export interface PackedRecords {
  /** How many are still to be read. */
  readonly left: number;
  /** Size of the next one. */
  readonly nextBytes: number;
  /** Offset of the one that was read last. */
  readonly offset: number;
  read(): Message;
}

/** Opens a batch whose header is undefined when it is of the format before Kafka 0.11. A promise where work is to be done. */
export function openRecords(
  topic: string,
  batch: RecordBatch,
  header: BatchHeader | undefined,
): PackedRecords | Promise<PackedRecords> {
  if (header === undefined) return decodeOldRecords(batch.bytes).then((records) => new OldRecords(topic, records));
  const records = unpackRecords(batch, header);
  if (Buffer.isBuffer(records)) return new Records(topic, records, batch, header);
  return records.then((unpacked) => new Records(topic, unpacked, batch, header));
}

class Records implements PackedRecords {
  left: number;
  offset = -1;
  readonly #topic: string;
  readonly #cursor: RecordCursor;
  readonly #baseOffset: number;
  readonly #header: BatchHeader;

  constructor(topic: string, records: Buffer, { baseOffset }: RecordBatch, header: BatchHeader) {
    this.left = header.count;
    this.#topic = topic;
    this.#cursor = new RecordCursor(records);
    this.#baseOffset = baseOffset;
    this.#header = header;
  }

  get nextBytes(): number {
    return this.#cursor.nextLength();
  }

  read(): Message {
    const { logAppendTime, baseTimestamp, maxTimestamp } = this.#header;
    this.left -= 1;
    this.#cursor.beginRecord();
    this.offset = this.#baseOffset + this.#cursor.offsetDelta;
    const time = logAppendTime ? maxTimestamp : baseTimestamp + this.#cursor.timestampDelta;
    return readMessage(this.#cursor, this.#topic, time);
  }
}

class OldRecords implements PackedRecords {
  offset = -1;
  readonly #topic: string;
  readonly #records: readonly OldRecord[];
  #index = 0;

  constructor(topic: string, records: readonly OldRecord[]) {
    this.#topic = topic;
    this.#records = records;
  }

  get left(): number {
    return this.#records.length - this.#index;
  }

  get nextBytes(): number {
    const next = this.#records[this.#index];
    return (next?.key?.length ?? 0) + (next?.value?.length ?? 0);
  }

  read(): Message {
    const next = this.#records[this.#index++];
    if (next === undefined) throw new RangeError('a record batch has fewer records than it says');
    this.offset = Number(next.offset);
    return oldMessage(next, this.#topic);
  }
}
