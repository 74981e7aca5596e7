import { crc32c } from '@node-rs/crc32';
import type { Header } from '@sluice/core/driver';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readMessage } from '../src/message.js';
import { readHeader, splitBatches, unpackRecords } from '../src/records/record-batch.js';
import { RecordCursor } from '../src/records/record-cursor.js';
import { nextSequence, RecordWriter, stampBatch } from '../src/writing/record-writer.js';

const bytes = fc.option(fc.uint8Array({ maxLength: 300 }));
const header = fc.tuple(fc.string({ unit: 'grapheme' }), bytes);
const record = fc.record({
  key: bytes,
  value: bytes,
  headers: fc.array(header, { maxLength: 4 }),
  timestamp: fc.integer({ min: 0, max: 4_102_444_800_000 }),
});
type Written = typeof record extends fc.Arbitrary<infer Item> ? Item : never;

const asIs = (records: Buffer): Promise<Buffer> => Promise.resolve(records);

function batchOf(records: readonly Written[]): Buffer {
  const writer = new RecordWriter(8);
  for (const { key, value, headers, timestamp } of records) writer.append(key, value, headers, timestamp);
  const batch = writer.finish(0, asIs);
  if (!Buffer.isBuffer(batch)) throw new Error('it was compressed');
  return batch;
}

async function readBack(bytesOfBatch: Buffer): Promise<Written[]> {
  const [batch] = splitBatches(bytesOfBatch);
  if (batch === undefined) throw new Error('no batch');
  const head = readHeader(batch);
  const cursor = new RecordCursor(await unpackRecords(batch, head));
  return Array.from({ length: head.count }, (_, index) => {
    cursor.beginRecord();
    expect(cursor.offsetDelta).toBe(index);
    const timestamp = head.baseTimestamp + cursor.timestampDelta;
    const { key, payload, headers } = readMessage(cursor, 'topic', timestamp);
    return { key, value: payload, headers, timestamp } as Written; // the cursor gives nothing but bytes and null
  });
}

const plain = (records: readonly Written[]): unknown =>
  records.map(({ key, value, headers, timestamp }) => [
    key && [...key],
    value && [...value],
    headers.map(([name, content]: Header) => [name, content && [...(content as Uint8Array)]]),
    timestamp,
  ]);

describe('a record batch', () => {
  it('is read back as it was written, whatever is in it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 30 }), async (records) => {
        expect(plain(await readBack(batchOf(records)))).toEqual(plain(records));
      }),
    );
  });

  it('is the same without its last record when that is taken back', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 5 }), record, (records, extra) => {
        const writer = new RecordWriter(8);
        for (const { key, value, headers, timestamp } of records) writer.append(key, value, headers, timestamp);
        writer.append(extra.key, extra.value, extra.headers, extra.timestamp);
        writer.dropLast();
        expect(writer.count).toBe(records.length);
        expect(writer.finish(0, asIs)).toEqual(batchOf(records));
      }),
    );
  });

  it('has the greatest time of its records in its header, in whatever order they come', () => {
    const times = [5000, 900, 1_700_000_000_000, 42];
    const batch = batchOf(times.map((timestamp) => ({ key: null, value: null, headers: [], timestamp })));
    expect(batch.readBigInt64BE(27)).toBe(5000n);
    expect(batch.readBigInt64BE(35)).toBe(1_700_000_000_000n);
  });

  it('carries producer, number and checksum of its last stamp', () => {
    const batch = batchOf([{ key: null, value: Buffer.from('x'), headers: [], timestamp: 1 }]);
    stampBatch(batch, { id: 77n, epoch: 3 }, 41, false);
    stampBatch(batch, { id: 78n, epoch: 4 }, 42, true);
    expect(batch.readBigInt64BE(43)).toBe(78n);
    expect(batch.readInt16BE(51)).toBe(4);
    expect(batch.readInt32BE(53)).toBe(42);
    expect(batch.readInt16BE(21)).toBe(0x10);
    expect(batch.readUInt32BE(17)).toBe(crc32c(batch.subarray(21)));
  });

  it('is followed by a number that wraps where the one of the broker does', () => {
    expect(nextSequence(0, 10)).toBe(10);
    expect(nextSequence(2_147_483_647, 1)).toBe(0);
    expect(nextSequence(2_147_483_640, 10)).toBe(2);
  });
});
