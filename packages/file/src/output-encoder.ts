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
 * Encodes writes, into so many buffers in turn: the bytes of one are good until as many more were encoded. That saves the system
 * from handing out and clearing as much as is written. With none, each has memory of its own.
 */
export function encoder(framing: Framing, { buffers }: { readonly buffers: 0 | 1 | 2 }): Encode {
  const scratches = Array.from({ length: buffers }, () => Buffer.allocUnsafeSlow(scratchBytes));
  let next = 0;
  return (messages, first) => {
    const bytes = framing.join?.(messages, scratches[next] ?? nothing);
    if (bytes === undefined) return encodeEach(messages, framing, first);
    if (++next >= buffers) next = 0; // not after a failure, whose buffer nobody uses
    return { bytes, failures: [] };
  };
}

const nothing = new Uint8Array();

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
