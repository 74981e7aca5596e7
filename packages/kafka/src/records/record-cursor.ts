/** Reads the fields of records one after the other, in the encoding of record batches of version 2. */
export class RecordCursor {
  readonly #bytes: Buffer;
  #at = 0;

  /** What {@link beginRecord} has read. */
  timestampDelta = 0;
  offsetDelta = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Size of the record that begins here, without moving on. */
  nextLength(): number {
    const at = this.#at;
    const length = this.#varint();
    this.#at = at;
    return length;
  }

  /** Reads what stands in front of the key. */
  beginRecord(): void {
    this.#varint(); // its length
    this.#at++; // attributes, which nothing uses
    this.timestampDelta = this.#varlong();
    this.offsetDelta = this.#varint();
  }

  nullableBytes(): Buffer | null {
    const length = this.#varint();
    if (length < 0) return null;
    const from = this.#at;
    this.#at = from + length;
    if (this.#at > this.#bytes.length) throw new RangeError('a record is longer than its batch');
    return this.#bytes.subarray(from, this.#at);
  }

  text(): string {
    const length = this.#varint();
    const from = this.#at;
    this.#at = from + Math.max(length, 0);
    if (this.#at > this.#bytes.length) throw new RangeError('a record is longer than its batch');
    return this.#bytes.toString('utf8', from, this.#at);
  }

  /** The number of headers that follow. */
  count(): number {
    return this.#varint();
  }

  #varint(): number {
    const bytes = this.#bytes;
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = bytes[this.#at++];
      if (byte === undefined) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    throw new RangeError('a number in a record does not end');
  }

  /** Exact up to 2^53, which is far beyond any time. */
  #varlong(): number {
    const bytes = this.#bytes;
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 10; count++) {
      const byte = bytes[this.#at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      factor *= 128;
    }
    throw new RangeError('a number in a record does not end');
  }
}
