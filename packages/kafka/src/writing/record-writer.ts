import { crc32c } from '@node-rs/crc32';
import { type Header, toNullableBytes } from '@sluice/core/driver';

/** Who writes a batch, as the broker knows it. */
export interface ProducerIdentity {
  readonly id: bigint;
  readonly epoch: number;
}

/** For batches that the broker does not recognise when they come again. */
export const noIdentity: ProducerIdentity = { id: -1n, epoch: -1 };

const headerBytes = 61;
const crcAt = 17;
const attributesAt = 21;
const producerAt = 43;
const transactionalFlag = 0x10;

/**
 * Encodes records into one batch of version 2. Headers keep order and repeats, which kafkajs cannot do: it takes them as an
 * object.
 *
 * @see https://kafka.apache.org/documentation/#recordbatch
 */
export class RecordWriter {
  #bytes: Buffer;
  #end = headerBytes;
  #count = 0;
  #baseTimestamp = 0;
  #maxTimestamp = 0;
  /** As it was before the last record. */
  readonly #before = { end: headerBytes, maxTimestamp: 0 };

  /** @param expectedBytes Room for records to begin with; it grows */
  constructor(expectedBytes: number) {
    this.#bytes = Buffer.allocUnsafe(headerBytes + expectedBytes);
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes that the batch has, before compression. */
  get bytes(): number {
    return this.#end;
  }

  append(key: Uint8Array | null, value: Uint8Array | null, headers: readonly Header[], timestamp: number): void {
    this.#before.end = this.#end;
    this.#before.maxTimestamp = this.#maxTimestamp;
    if (this.#count === 0) this.#baseTimestamp = this.#maxTimestamp = timestamp;
    else if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp;
    const delta = timestamp - this.#baseTimestamp;
    const encoded = headers.length === 0 ? undefined : headers.map(encodeHeader);
    let length = 1 + varlongBytes(delta) + varintBytes(this.#count) + nullableBytes(key) + nullableBytes(value);
    length += varintBytes(headers.length);
    if (encoded !== undefined)
      for (const [name, content] of encoded) length += nullableBytes(name) + nullableBytes(content);
    this.#reserve(length + 5);
    this.#varint(length);
    this.#bytes[this.#end++] = 0; // attributes, which nothing uses
    this.#varlong(delta);
    this.#varint(this.#count++);
    this.#nullable(key);
    this.#nullable(value);
    this.#varint(headers.length);
    if (encoded === undefined) return;
    for (const [name, content] of encoded) {
      this.#nullable(name);
      this.#nullable(content);
    }
  }

  /** Takes back the last record. Once after each {@link append}. */
  dropLast(): void {
    this.#count--;
    this.#end = this.#before.end;
    this.#maxTimestamp = this.#before.maxTimestamp;
  }

  /**
   * The batch, to be stamped before each sending. The writer is of no use afterwards.
   *
   * @param codec Number of the compression; 0 is none
   */
  finish(codec: number, compress: (records: Buffer) => Promise<Buffer>): Buffer | Promise<Buffer> {
    const batch = this.#bytes.subarray(0, this.#end);
    batch.fill(0, 0, headerBytes);
    batch.writeInt32BE(-1, 12); // the leader's epoch, which the broker fills in
    batch[16] = 2;
    batch.writeInt16BE(codec, attributesAt);
    batch.writeInt32BE(this.#count - 1, 23);
    batch.writeBigInt64BE(BigInt(this.#baseTimestamp), 27);
    batch.writeBigInt64BE(BigInt(this.#maxTimestamp), 35);
    batch.writeInt32BE(this.#count, 57);
    if (codec === 0) return withLength(batch);
    return compress(batch.subarray(headerBytes)).then((packed) =>
      withLength(Buffer.concat([batch.subarray(0, headerBytes), packed])),
    );
  }

  #reserve(bytes: number): void {
    const needed = this.#end + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#end);
    this.#bytes = larger;
  }

  #nullable(value: Uint8Array | null): void {
    if (value === null) {
      this.#varint(-1);
      return;
    }
    this.#varint(value.length);
    this.#bytes.set(value, this.#end);
    this.#end += value.length;
  }

  #varint(value: number): void {
    let rest = ((value << 1) ^ (value >> 31)) >>> 0;
    while (rest >= 0x80) {
      this.#bytes[this.#end++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#end++] = rest;
  }

  /** Exact up to 2^52, far beyond any difference of two times. */
  #varlong(value: number): void {
    let rest = zigZag(value);
    while (rest >= 0x80) {
      this.#bytes[this.#end++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#end++] = rest;
  }
}

/** Writes into a finished batch who sends it and under which number, and with that its checksum. */
export function stampBatch(
  batch: Buffer,
  { id, epoch }: ProducerIdentity,
  sequence: number,
  transactional: boolean,
): void {
  const attributes = batch.readInt16BE(attributesAt);
  batch.writeInt16BE(transactional ? attributes | transactionalFlag : attributes, attributesAt);
  batch.writeBigInt64BE(id, producerAt);
  batch.writeInt16BE(epoch, producerAt + 8);
  batch.writeInt32BE(sequence, producerAt + 10);
  batch.writeUInt32BE(crc32c(batch.subarray(attributesAt)), crcAt);
}

/** The number that follows after a batch; it wraps as the broker's does. */
export function nextSequence(sequence: number, count: number): number {
  return (sequence + count) % 2 ** 31;
}

function withLength(batch: Buffer): Buffer {
  batch.writeInt32BE(batch.length - 12, 8);
  return batch;
}

function encodeHeader([name, value]: Header): readonly [Uint8Array, Uint8Array | null] {
  return [Buffer.from(name), toNullableBytes(value)];
}

function nullableBytes(value: Uint8Array | null): number {
  return value === null ? 1 : varintBytes(value.length) + value.length;
}

/** Of a number that is not negative. */
function varintBytes(value: number): number {
  if (value < 64) return 1;
  if (value < 8192) return 2;
  if (value < 1_048_576) return 3;
  return value < 134_217_728 ? 4 : 5;
}

function varlongBytes(value: number): number {
  let bytes = 1;
  for (let rest = zigZag(value); rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

function zigZag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}
