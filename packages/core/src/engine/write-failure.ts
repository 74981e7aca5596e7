import type { ConnectorError, ErrorCode } from '../error.js';
import { BatchError } from '../sink-driver.js';
import { originAt, type Piece } from './piece.js';

/** A message that the sink refuses for good. */
export interface RefusedMessage {
  readonly piece: Piece;
  /** Index of the source message in its batch. */
  readonly origin: number;
  readonly error: ConnectorError;
}

/** What became of the pieces of a write that failed. */
export interface WriteVerdict {
  /** Taken over, or with nothing left to write. */
  readonly done: readonly Piece[];
  readonly refused: readonly RefusedMessage[];
  /** To be written again. */
  readonly again: readonly Piece[];
  /** Why they could not be written; undefined when they can be at once. */
  readonly error: ConnectorError | undefined;
}

/**
 * Judges a failed write. An atomic sink that names messages has stored nothing of the write, any other one all the rest; but
 * what a sink has not flushed counts as not written once it fails. A write that is refused as a whole is taken apart, to find
 * out which message it is.
 */
export function judgeWrite(
  pieces: readonly Piece[],
  failure: BatchError | ConnectorError,
  { atomic, flushes }: { readonly atomic: boolean; readonly flushes: boolean },
): WriteVerdict {
  if (failure instanceof BatchError) {
    const fails = failure.failures.some(({ error }) => (error as ConnectorError).outcome !== 'invalid'); // the session has wrapped it
    return judgeBatchError(pieces, failure, atomic || (flushes && fails));
  }
  if (failure.outcome !== 'invalid') return { done: [], refused: [], again: pieces, error: failure };
  const [first] = pieces;
  if (first !== undefined && pieces.length === 1 && first.messages.length === 1) {
    return {
      done: [first],
      refused: [{ piece: first, origin: originAt(first, 0), error: failure }],
      again: [],
      error: undefined,
    };
  }
  return { done: [], refused: [], again: pieces.flatMap(takeApart), error: undefined };
}

/** How many messages of a write were not taken over. */
export function countFailed(count: number, failure: BatchError | ConnectorError | undefined, atomic: boolean): number {
  if (failure === undefined) return 0;
  return failure instanceof BatchError && !atomic ? failure.failures.length : count;
}

/** Why a write failed; of several reasons the first one. */
export function codeOf(failure: BatchError | ConnectorError): ErrorCode {
  if (!(failure instanceof BatchError)) return failure.code;
  return (failure.failures[0]?.error as ConnectorError | undefined)?.code ?? 'unknown'; // the session has wrapped it
}

function judgeBatchError(pieces: readonly Piece[], failure: BatchError, nothingTaken: boolean): WriteVerdict {
  const done: Piece[] = [];
  const refused: RefusedMessage[] = [];
  const again: Piece[] = [];
  let error: ConnectorError | undefined;
  let start = 0;
  for (const piece of pieces) {
    const end = start + piece.messages.length;
    const refusedAt = new Set<number>();
    const failedAt = new Set<number>();
    for (const { index, error: cause } of failure.failures) {
      if (index < start || index >= end) continue;
      const named = cause as ConnectorError; // the session has wrapped it
      failedAt.add(index - start);
      if (named.outcome === 'invalid') {
        refusedAt.add(index - start);
        refused.push({ piece, origin: originAt(piece, index - start), error: named });
      } else if (error === undefined || named.outcome === 'fatal') error = named;
    }
    const left = pick(piece, (index) =>
      nothingTaken ? !refusedAt.has(index) : failedAt.has(index) && !refusedAt.has(index),
    );
    if (left === undefined) done.push(piece);
    else again.push(left);
    start = end;
  }
  return { done, refused, again, error };
}

/** The piece with the chosen messages only; undefined when none is left. */
function pick(piece: Piece, chosen: (index: number) => boolean): Piece | undefined {
  const indexes = piece.messages.map((_, index) => index).filter(chosen);
  if (indexes.length === piece.messages.length) return piece;
  if (indexes.length === 0) return undefined;
  return {
    ...piece,
    messages: piece.messages.filter((_, index) => chosen(index)),
    origins: indexes.map((index) => originAt(piece, index) - piece.base),
    bytes: Math.ceil((piece.bytes * indexes.length) / piece.messages.length),
  };
}

function takeApart(piece: Piece): readonly Piece[] {
  piece.group.left += piece.messages.length - 1;
  piece.segment.pending += piece.messages.length - 1;
  return piece.messages.map((message, index) => ({
    ...piece,
    messages: [message],
    origins: [originAt(piece, index) - piece.base],
    bytes: Math.ceil(piece.bytes / piece.messages.length),
    order: piece.order + index / piece.messages.length,
    last: piece.last && index === piece.messages.length - 1,
    alone: true,
  }));
}
