import { createMessage, type Message, type Position, type ReadOptions, type SourceBatch } from '@sluice/core/driver';
import { keyOf, newRow } from '../rows/change-message.js';
import type { TextRow } from '../text-client.js';
import type { PollTarget } from './poll-target.js';

/** A row that is on its way, and the position after it. */
export interface PlacedRow {
  readonly row: TextRow;
  position(): Position;
}

/** What decoded rows need in memory beside their text: a message, an object, and a value for each column. */
const bytesPerRow = 160;
const bytesPerColumn = 32;

/** What a row holds. */
export function bytesOf(row: TextRow): number {
  let bytes = bytesPerRow + bytesPerColumn * row.length;
  for (const text of row) if (text !== null) bytes += text.length;
  return bytes;
}

/** Batches within the limits of a read. */
export function* rowBatches(
  rows: readonly PlacedRow[],
  target: PollTarget,
  { maxMessages, maxBytes }: Pick<ReadOptions, 'maxMessages' | 'maxBytes'>,
): Generator<SourceBatch> {
  let taken: PlacedRow[] = [];
  let held = 0;
  for (const placed of rows) {
    const bytes = bytesOf(placed.row);
    if (taken.length > 0 && (taken.length >= maxMessages || held + bytes > maxBytes)) {
      yield toBatch(taken, target, held);
      taken = [];
      held = 0;
    }
    taken.push(placed);
    held += bytes;
  }
  if (taken.length > 0) yield toBatch(taken, target, held);
}

function toBatch(rows: readonly PlacedRow[], target: PollTarget, bytes: number): SourceBatch {
  const positionAt = (index: number): Position => rows[index]?.position() ?? null;
  return {
    messages: rows.map(({ row }) => toMessage(row, target)),
    position: positionAt(rows.length - 1),
    bytes,
    positionAt,
  };
}

function toMessage(texts: TextRow, { shape, order: [cursor] }: PollTarget): Message {
  const payload = newRow(shape, texts, undefined);
  const isInstant = /^timestamp.* with time zone$/.test(cursor?.type ?? '');
  const value = payload[cursor?.name ?? ''];
  const time = isInstant && typeof value === 'string' ? Date.parse(value) : Number.NaN; // of infinity, too
  return createMessage({
    topic: shape.topic === '' ? undefined : shape.topic,
    key: keyOf(shape, payload),
    payload,
    timestamp: Number.isNaN(time) ? undefined : time,
    schema: shape.schema,
  });
}
