import type { Message, Value } from '../message.js';
import type { BatchSlice, SinkBatch } from '../sink-driver.js';
import type { Position } from '../source-driver.js';
import type { Segment } from './lease.js';

/** Messages of one segment that go into the same write. */
export interface Piece {
  readonly segment: Segment;
  readonly messages: readonly Message[];
  /** Which source message each comes from, counted from `base`; undefined: one after the other. */
  readonly origins: readonly number[] | undefined;
  /** Index in the source batch from which origins count. */
  readonly base: number;
  /** Estimated bytes. */
  readonly bytes: number;
  /** Place among the pieces of its lease. */
  readonly order: number;
  /** With it the segment ends. */
  readonly last: boolean;
  /** Written by itself, to find out which message the sink refuses. */
  readonly alone: boolean;
  /** Shared by the pieces of one segment: all of them go into the same flush. */
  readonly group: PieceGroup;
  attempts: number;
}

/** How far the pieces of a segment are. */
export interface PieceGroup {
  /** A write of one of them was begun. */
  started: boolean;
  /** Pieces that are not finished. */
  left: number;
}

/** Index in the source batch of the message that `piece.messages[index]` comes from. */
export function originAt(piece: Piece, index: number): number {
  return piece.base + (piece.origins?.[index] ?? index);
}

/** The bytes that a message needs outside, roughly: exact for payloads of bytes. */
export function messageBytes(message: Message): number {
  let bytes = valueBytes(message.payload) + valueBytes(message.key);
  for (const [name, value] of message.headers) bytes += name.length + valueBytes(value);
  return bytes;
}

function valueBytes(value: Value): number {
  if (value === null) return 0;
  if (value instanceof Uint8Array) return value.byteLength;
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (typeof value !== 'object' || value instanceof Date) return 8;
  if (Array.isArray(value)) return (value as readonly Value[]).reduce<number>((sum, item) => sum + valueBytes(item), 8);
  return Object.entries(value).reduce((sum, [name, item]) => sum + name.length + valueBytes(item as Value), 8); // entries of a Value
}

/** Joins pieces into one batch; a single piece passes uncut and uncopied. */
export function joinPieces(pieces: readonly Piece[]): SinkBatch {
  const slices: BatchSlice[] = [];
  const [first] = pieces;
  if (first !== undefined && pieces.length === 1) {
    slices.push({
      partition: first.segment.lease.key,
      from: 0,
      to: first.messages.length,
      position: positionAfter(first),
    });
    return { messages: first.messages, slices };
  }
  const messages: Message[] = [];
  for (const piece of pieces) {
    const from = messages.length;
    for (const message of piece.messages) messages.push(message);
    const partition = piece.segment.lease.key;
    const last = slices.at(-1);
    const position = positionAfter(piece);
    if (last?.partition === partition)
      slices[slices.length - 1] = { partition, from: last.from, to: messages.length, position };
    else slices.push({ partition, from, to: messages.length, position });
  }
  return { messages, slices };
}

function positionAfter({ segment, last }: Piece): Position | undefined {
  return last ? segment.position : undefined;
}

/** Cuts messages where a write would cross a hard limit; one message above the byte limit passes alone. */
export function cutAtLimits(
  messages: readonly Message[],
  limits: { readonly maxMessages: number; readonly maxBytes: number },
): readonly { readonly from: number; readonly to: number; readonly bytes: number | undefined }[] {
  if (messages.length <= limits.maxMessages && limits.maxBytes === Number.POSITIVE_INFINITY) {
    return [{ from: 0, to: messages.length, bytes: undefined }];
  }
  const cuts: { from: number; to: number; bytes: number }[] = [];
  let current = { from: 0, to: 0, bytes: 0 };
  for (const message of messages) {
    const bytes = messageBytes(message);
    const count = current.to - current.from;
    if (count > 0 && (count >= limits.maxMessages || current.bytes + bytes > limits.maxBytes)) {
      cuts.push(current);
      current = { from: current.to, to: current.to, bytes: 0 };
    }
    current.to++;
    current.bytes += bytes;
  }
  cuts.push(current);
  return cuts;
}
