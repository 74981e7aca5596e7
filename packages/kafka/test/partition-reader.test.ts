import { expect, test } from 'vitest';
import { protocolError } from '../src/connection/protocol.js';
import type { FetchedPartition } from '../src/reading/fetch-answer.js';
import { PartitionReader, type PartitionReading } from '../src/reading/partition-reader.js';
import { readOptions } from './source-world.js';

const place = { topic: 't', partition: 0 };
const nothing = (highWatermark: number): FetchedPartition => ({
  ...place,
  errorCode: 0,
  highWatermark,
  lastStableOffset: highWatermark,
  logStartOffset: 0,
  aborted: [],
  records: Buffer.alloc(0),
});

function reader(reading: Partial<PartitionReading> = {}): PartitionReader {
  return new PartitionReader({
    partition: place,
    from: 3,
    end: undefined,
    committedOnly: true,
    patienceMs: 60_000,
    options: readOptions(),
    ...reading,
  });
}

test('ends by position where compaction has left nothing of the tail', async () => {
  const bounded = reader({ end: 8 });
  const batches = bounded.read(() => bounded.deliver(3, nothing(8), true));
  expect((await batches.next()).value).toMatchObject({ messages: [], position: 8 });
  expect((await batches.next()).done).toBe(true);
});

test('does not take an answer that was full for the end', () => {
  const bounded = reader({ end: 8 });
  bounded.deliver(3, nothing(8), false);
  expect(bounded.wanting).toBe(true);
});

test('ends at once when nothing is to be read', async () => {
  const bounded = reader({ end: 3 });
  expect(bounded.wanting).toBe(false);
  expect(await bounded.read(() => undefined).next()).toMatchObject({ done: true });
});

test('bears with what passes, and fails at once at what does not', async () => {
  const patient = reader();
  patient.refused(protocolError(6));
  expect(patient.wanting).toBe(true);
  patient.refused(protocolError(29));
  await expect(patient.read(() => undefined).next()).rejects.toMatchObject({ type: 'TOPIC_AUTHORIZATION_FAILED' });
  const hasty = reader({ patienceMs: 0 });
  hasty.refused(protocolError(6));
  await expect(hasty.read(() => undefined).next()).rejects.toMatchObject({ type: 'NOT_LEADER_FOR_PARTITION' });
});

test('wants no more while an answer waits, while it failed, and after its abort', () => {
  const abort = new AbortController();
  const aborted = reader({ options: readOptions({ signal: abort.signal }) });
  expect(aborted.wanting).toBe(true);
  abort.abort();
  expect(aborted.wanting).toBe(false);
});
