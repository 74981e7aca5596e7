import { createMessage, type SourceBatch } from '@sluice/core/driver';
import { array, assert, constantFrom, integer, oneof, property, record } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePosition } from '../src/changes/cdc-position.js';
import { TransactionBatches } from '../src/changes/transaction-batches.js';

const mark = { headers: [['transactionId', 7]] as const, timestamp: 0 };
const start = { lsn: 10n, rows: 0 };

/** Tells a transaction whose commit record lies at `lsn` and ends 5 behind; rows are named by it and their number. */
function* tell(batches: TransactionBatches, lsn: number, rows: number): Generator<SourceBatch> {
  batches.begin(BigInt(lsn), mark);
  for (let row = 1; row <= rows; row++) {
    if (!batches.skip()) batches.add(createMessage({ payload: `${lsn}.${row}`, headers: mark.headers }), 10);
    for (let batch = batches.full(); batch !== undefined; batch = batches.full()) yield batch;
  }
  batches.commit(BigInt(lsn + 5));
  for (let batch = batches.full(); batch !== undefined; batch = batches.full()) yield batch;
}

function all(
  batches: TransactionBatches,
  ...transactions: readonly (readonly [lsn: number, rows: number])[]
): SourceBatch[] {
  const cut = transactions.flatMap(([lsn, rows]) => [...tell(batches, lsn, rows)]);
  const rest = batches.complete();
  return rest === undefined ? cut : [...cut, rest];
}

function payloads(batch: SourceBatch | undefined): unknown[] {
  return batch?.messages.map(({ payload }) => payload) ?? [];
}

const large = { maxMessages: 1000, maxBytes: 1_000_000 };

describe('TransactionBatches', () => {
  it('gives nothing of a transaction that goes on, while the limits allow it', () => {
    const batches = new TransactionBatches(start, large);
    batches.begin(20n, mark);
    batches.add(createMessage({ payload: 'a' }), 10);
    expect(batches.complete()).toBeUndefined();
    expect(batches.full()).toBeUndefined();
    batches.commit(25n);
    expect(payloads(batches.complete())).toEqual(['a']);
    expect(batches.complete()).toBeUndefined();
  });

  it('ends a batch at the end of a transaction where the limits allow it', () => {
    const batches = new TransactionBatches(start, { maxMessages: 5, maxBytes: 1000 });
    const cut = all(batches, [20, 2], [30, 2], [40, 3]);
    expect(cut.map(payloads)).toEqual([
      ['20.1', '20.2', '30.1', '30.2'],
      ['40.1', '40.2', '40.3'],
    ]);
    expect(cut.map(({ position }) => position)).toEqual([
      { lsn: '0/23', rows: 0 },
      { lsn: '0/2D', rows: 0 },
    ]);
  });

  it('cuts a transaction that is larger than a batch, and says how many rows were delivered', () => {
    const batches = new TransactionBatches(start, { maxMessages: 2, maxBytes: 1000 });
    const cut = all(batches, [20, 1], [32, 5]);
    expect(cut.map(payloads)).toEqual([['20.1'], ['32.1', '32.2'], ['32.3', '32.4'], ['32.5']]);
    expect(cut.map(({ position }) => position)).toEqual([
      { lsn: '0/19', rows: 0 },
      { lsn: '0/20', rows: 2 },
      { lsn: '0/20', rows: 4 },
      { lsn: '0/25', rows: 0 },
    ]);
  });

  it('keeps to the limit of bytes, and lets one larger message pass alone', () => {
    const batches = new TransactionBatches(start, { maxMessages: 100, maxBytes: 25 });
    expect(all(batches, [20, 5]).map(payloads)).toEqual([['20.1', '20.2'], ['20.3', '20.4'], ['20.5']]);
    const small = new TransactionBatches(start, { maxMessages: 100, maxBytes: 5 });
    expect(all(small, [20, 3]).map(payloads)).toEqual([['20.1'], ['20.2'], ['20.3']]);
  });

  it('marks the last message of each transaction and no other', () => {
    const batches = new TransactionBatches(start, { maxMessages: 2, maxBytes: 1000 });
    const messages = all(batches, [20, 1], [30, 3], [40, 0], [50, 2]).flatMap((batch) => batch.messages);
    const marked = messages.filter(({ headers }) => headers.some(([name]) => name === 'transactionEnd'));
    expect(marked.map(({ payload }) => payload)).toEqual(['20.1', '30.3', '50.2']);
  });

  it('moves its position without messages, but not into a transaction, and not before what it holds', () => {
    const batches = new TransactionBatches(start, large);
    expect(batches.moved()).toBeUndefined();
    batches.advance(15n);
    expect(batches.moved()).toEqual({ messages: [], position: { lsn: '0/F', rows: 0 }, bytes: 0 });
    expect(batches.moved()).toBeUndefined();
    batches.begin(20n, mark);
    batches.add(createMessage({}), 1);
    batches.advance(90n);
    expect(batches.moved()).toBeUndefined();
    batches.commit(25n);
    expect(batches.moved()).toBeUndefined();
    expect(batches.complete()?.position).toEqual({ lsn: '0/19', rows: 0 });
    batches.advance(17n);
    expect(batches.moved()).toBeUndefined();
  });

  it('goes on just after any position when rows are left out, and marks the last row that is not', () => {
    const isOut = (lsn: number, row: number): boolean => (lsn / 10 + row) % 3 === 0;
    const told = [20, 30, 40].map((lsn) => [lsn, 5] as const);
    const run = (batches: TransactionBatches, from = 0n): SourceBatch[] => {
      const cut: (SourceBatch | undefined)[] = [];
      for (const [lsn, rows] of told.filter(([each]) => BigInt(each) >= from)) {
        batches.begin(BigInt(lsn), mark);
        for (let row = 1; row <= rows; row++) {
          if (batches.skip()) continue;
          if (isOut(lsn, row)) batches.leaveOut();
          else batches.add(createMessage({ payload: `${lsn}.${row}`, headers: mark.headers }), 10);
          for (let batch = batches.full(); batch !== undefined; batch = batches.full()) cut.push(batch);
        }
        batches.commit(BigInt(lsn + 5));
      }
      return [...cut, batches.complete()].filter((batch) => batch !== undefined);
    };
    const sent = ['20.2', '20.3', '20.5', '30.1', '30.2', '30.4', '30.5', '40.1', '40.3', '40.4'];
    for (const maxMessages of [1, 2, 3, 4, 100]) {
      const cut = run(new TransactionBatches(start, { maxMessages, maxBytes: 1e6 }));
      expect(cut.flatMap(payloads)).toEqual(sent);
      const ends = cut
        .flatMap(({ messages }) => messages)
        .filter(({ headers }) => new Map(headers).has('transactionEnd'));
      expect(ends.map(({ payload }) => payload)).toEqual(['20.5', '30.5', '40.4']);
      let after = 0;
      for (const batch of cut) {
        for (const [index] of batch.messages.entries()) {
          after++;
          const from = parsePosition(batch.positionAt?.(index) ?? null);
          expect(run(new TransactionBatches(from, large), from.lsn).flatMap(payloads)).toEqual(sent.slice(after));
        }
      }
    }
  });

  it('goes on just after any position, whatever the limits', () => {
    const transactions = array(integer({ min: 0, max: 7 }), { minLength: 1, maxLength: 8 });
    const limits = record({
      maxMessages: integer({ min: 1, max: 9 }),
      maxBytes: oneof(constantFrom(1, 1e6), integer({ min: 1, max: 90 })),
    });
    assert(
      property(transactions, limits, limits, (sizes, first, second) => {
        const told = sizes.map((rows, index) => [20 + index * 10, rows] as const);
        const sent = told.flatMap(([lsn, rows]) => Array.from({ length: rows }, (_, row) => `${lsn}.${row + 1}`));
        const cut = all(new TransactionBatches(start, first), ...told);
        expect(cut.flatMap(payloads)).toEqual(sent);
        let before = 0;
        for (const batch of cut) {
          const inside = batch.messages.map((_, index) => [batch.positionAt?.(index), before + index + 1] as const);
          before += batch.messages.length;
          for (const [position, after] of [...inside, [batch.position, before] as const]) {
            const from = parsePosition(position ?? null);
            // What the server sends: transactions whose commit record lies at the position or behind.
            const again = all(new TransactionBatches(from, second), ...told.filter(([lsn]) => BigInt(lsn) >= from.lsn));
            expect(again.flatMap(payloads)).toEqual(sent.slice(after));
          }
        }
      }),
    );
  });
});
