import type { BatchFailure, Frames, Message, Position, SourceBatch } from '@sluice/core/driver';
import { toMessage } from './message.js';

/** What batches are made with. */
export interface BatchOrigin {
  /** The path that messages carry. */
  readonly topic: string;
  /** Where in the stream the first message begins. */
  readonly start: number;
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** The position after the message that ends at this byte of the stream. */
  positionAt(end: number): Position;
  /** How many bytes follow that one, where it is known. */
  lagAt(end: number): number | undefined;
}

/** Makes batches of what was cut from a chunk: one, unless a limit is crossed. */
export function batchesOf(frames: Frames, origin: BatchOrigin): SourceBatch[] {
  const batches: SourceBatch[] = [];
  let start = origin.start;
  for (let from = 0; from < frames.ends.length; ) {
    const to = whereToCut(frames.ends, from, start, origin);
    const end = frames.ends[to - 1] ?? start;
    batches.push(
      batchOf(messagesOf(frames, from, to, origin.topic), {
        ends: frames.ends,
        from,
        bytes: end - start,
        failures: failuresOf(frames, from, to),
        origin,
      }),
    );
    from = to;
    start = end;
  }
  return batches;
}

/** A batch that only moves the position. */
export function positionBatch(position: Position): SourceBatch {
  return { messages: [], position, bytes: 0 };
}

interface Cut {
  readonly ends: readonly number[];
  readonly from: number;
  readonly bytes: number;
  readonly failures: readonly BatchFailure[];
  readonly origin: BatchOrigin;
}

// A function of its own, so that `positionAt` holds the ends of the messages alive, and not the messages.
function batchOf(messages: readonly Message[], { ends, from, bytes, failures, origin }: Cut): SourceBatch {
  const endOf = (index: number): number => ends[from + index] ?? origin.start;
  const end = endOf(messages.length - 1);
  const lag = origin.lagAt(end);
  return {
    messages,
    position: origin.positionAt(end),
    bytes,
    ...(failures.length === 0 ? {} : { failures }),
    ...(lag === undefined ? {} : { lag }),
    positionAt: (index) => origin.positionAt(endOf(index)),
  };
}

function whereToCut(
  ends: readonly number[],
  from: number,
  start: number,
  { maxMessages, maxBytes }: BatchOrigin,
): number {
  let to = Math.min(from + maxMessages, ends.length);
  if ((ends[to - 1] ?? start) - start <= maxBytes) return to;
  to = from + 1; // one larger message passes alone
  while ((ends[to] ?? start) - start <= maxBytes && to < ends.length) to++;
  return to;
}

function messagesOf({ payloads }: Frames, from: number, to: number, topic: string): readonly Message[] {
  const messages = new Array<Message>(to - from);
  for (let index = from; index < to; index++) messages[index - from] = toMessage(topic, payloads[index] ?? null);
  return messages;
}

function failuresOf({ failures }: Frames, from: number, to: number): readonly BatchFailure[] {
  if (failures.length === 0) return failures;
  return failures
    .filter(({ index }) => index >= from && index < to)
    .map(({ index, error }) => ({ index: index - from, error }));
}
