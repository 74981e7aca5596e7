import type { BatchFailure, Framing, Message } from '@sluice/core/driver';

/** The messages of one write as bytes. */
export interface Encoded {
  readonly bytes: Uint8Array;
  /** Messages that have no form in the framing; they are not among the bytes. */
  readonly failures: readonly BatchFailure[];
}

/** Joins the frames of messages. `first`: they begin their file. */
export type Encode = (messages: readonly Message[], first: boolean) => Encoded;

/** As much as a write usually has. */
const scratchBytes = 2 * 1024 * 1024;

/**
 * Encodes writes. With `reuse` the bytes of one are good only until the next: it takes the same memory, which saves the system
 * from handing out and clearing as much as is written.
 */
export function encoder(framing: Framing, { reuse }: { readonly reuse: boolean }): Encode {
  const scratch = Buffer.allocUnsafeSlow(reuse ? scratchBytes : 0);
  return (messages, first) => {
    const bytes = framing.join?.(messages, scratch);
    return bytes === undefined ? encodeEach(messages, framing, first) : { bytes, failures: [] };
  };
}

function encodeEach(messages: readonly Message[], framing: Framing, first: boolean): Encoded {
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
