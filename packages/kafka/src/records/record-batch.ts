import { ConnectorError } from '@sluice/core/driver';
import { codecs } from '../connection/protocol.js';
import { RecordCursor } from './record-cursor.js';

/** One batch of records as a broker stores it. */
export interface RecordBatch {
  readonly baseOffset: number;
  /** Offset of the last record the batch was written with, also when compaction has removed it since. */
  readonly lastOffset: number;
  /** 2, or less for batches that were written before Kafka 0.11. */
  readonly magic: number;
  /** All of it, with its header. */
  readonly bytes: Buffer;
}

/** What the header of a batch of version 2 says beside its offsets. */
export interface BatchHeader {
  readonly codec: number;
  /** Whether all messages have the time at which the broker stored them. */
  readonly logAppendTime: boolean;
  readonly transactional: boolean;
  /** Whether it holds a marker of a transaction and no messages. */
  readonly control: boolean;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly producerId: bigint;
  readonly count: number;
}

const lengthAt = 8;
const magicAt = 16;
const recordsAt = 61;
const overheadBytes = 12;

/** The complete batches in an answer. The last one may be cut off: it comes again with the next fetch. */
export function splitBatches(records: Buffer): RecordBatch[] {
  const batches: RecordBatch[] = [];
  for (let at = 0; at + magicAt < records.length; ) {
    const end = at + overheadBytes + records.readInt32BE(at + lengthAt);
    if (end > records.length) break;
    const bytes = records.subarray(at, end);
    const baseOffset = Number(bytes.readBigInt64BE(0));
    const magic = bytes.readInt8(magicAt);
    // Before version 2 the number in front is the offset of the last message of the set.
    const lastOffset = magic < 2 ? baseOffset : baseOffset + bytes.readInt32BE(23);
    batches.push({ baseOffset, lastOffset, magic, bytes });
    at = end;
  }
  return batches;
}

/** Reads the header of a batch of version 2. */
export function readHeader({ bytes }: RecordBatch): BatchHeader {
  const attributes = bytes.readInt16BE(21);
  return {
    codec: attributes & 0x07,
    logAppendTime: (attributes & 0x08) !== 0,
    transactional: (attributes & 0x10) !== 0,
    control: (attributes & 0x20) !== 0,
    baseTimestamp: Number(bytes.readBigInt64BE(27)),
    maxTimestamp: Number(bytes.readBigInt64BE(35)),
    producerId: bytes.readBigInt64BE(43),
    count: bytes.readInt32BE(57),
  };
}

/** The records of a batch of version 2, unpacked. A promise only when it is compressed. */
export function unpackRecords({ bytes }: RecordBatch, { codec, count }: BatchHeader): Buffer | Promise<Buffer> {
  const packed = bytes.subarray(recordsAt);
  if (codec === 0 || count === 0) return packed;
  const lookUp = codecs[codec];
  if (lookUp === undefined) throw new ConnectorError('unsupported', `no codec is known for compression type ${codec}`);
  return lookUp().decompress(packed);
}

/** Whether a control batch is the marker of an aborted transaction; other markers end one that was committed. */
export function isAbortMarker({ bytes }: RecordBatch): boolean {
  const cursor = new RecordCursor(bytes.subarray(recordsAt));
  cursor.beginRecord();
  const key = cursor.nullableBytes();
  return key !== null && key.length >= 4 && key.readInt16BE(2) === 0;
}
