import type { BatchFailure, Framing, Message } from '@sluice/core/driver';

/** The messages of one write as bytes. */
export interface Encoded {
  readonly bytes: Uint8Array;
  /** Messages that have no form in the framing; they are not among the bytes. */
  readonly failures: readonly BatchFailure[];
}

/** Joins the frames of messages. `first`: they begin their file. */
export function encode(messages: readonly Message[], framing: Framing, first: boolean): Encoded {
  const joined = framing.join?.(messages);
  if (joined !== undefined) return { bytes: joined, failures: [] };
  const frames: Uint8Array[] = [];
  const failures: BatchFailure[] = [];
  for (const [index, message] of messages.entries()) {
    try {
      frames.push(framing.frame(message.payload, first && frames.length === 0));
    } catch (error) {
      failures.push({ index, error });
    }
  }
  return { bytes: Buffer.concat(frames), failures };
}
