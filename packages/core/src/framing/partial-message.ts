import { ConnectorError } from '../error.js';

/** How much of a message above the limit is kept as its payload: enough to recognise it, little enough for any dead-letter sink. */
const keptBytes = 64 * 1024;

/**
 * The beginning of a message whose rest has not come yet. Holds at most `maxBytes`: of a longer one only the first bytes stay
 * and the rest is counted.
 */
export class PartialMessage {
  /** How long the message is so far. */
  bytes = 0;
  private held: Buffer = empty;
  private heldLength = 0;
  private readonly maxBytes: number;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** How many bytes are in memory. */
  get heldBytes(): number {
    return this.heldLength;
  }

  add(part: Buffer): void {
    const wasWhole = this.bytes <= this.maxBytes;
    this.bytes += part.length;
    if (this.bytes <= this.maxBytes) {
      this.append(part, this.maxBytes);
    } else if (wasWhole) {
      const limit = Math.min(keptBytes, this.maxBytes);
      this.append(part.subarray(0, Math.max(0, limit - this.heldLength)), limit);
      this.heldLength = Math.min(this.heldLength, limit);
      this.held = Buffer.from(this.held.subarray(0, this.heldLength));
    }
  }

  /** The message with its last part, or its first bytes where it is above the limit; starts over. */
  take(last: Buffer): Buffer {
    this.add(last);
    const message = this.held.subarray(0, this.heldLength);
    this.bytes = 0;
    this.held = empty;
    this.heldLength = 0;
    return message;
  }

  private append(part: Buffer, limit: number): void {
    const length = this.heldLength + part.length;
    if (length > this.held.length) {
      // Doubling, so that a message that comes in many small chunks is not copied for each of them.
      const grown = Buffer.allocUnsafe(Math.max(length, Math.min(limit, 2 * this.held.length)));
      this.held.copy(grown, 0, 0, this.heldLength);
      this.held = grown;
    }
    part.copy(this.held, this.heldLength);
    this.heldLength = length;
  }
}

const empty: Buffer = Buffer.alloc(0);

/** What is kept as the payload of a message above the limit; a copy, because it may be a small part of a large chunk. */
export function keptOf(message: Buffer, maxBytes: number): Buffer {
  return Buffer.from(message.subarray(0, Math.min(keptBytes, maxBytes)));
}

/** `subject` reads `the line at byte 17`. */
export function tooLarge(subject: string, maxBytes: number): ConnectorError {
  return new ConnectorError(
    'message_too_large',
    `${subject} is longer than maxMessageBytes (${maxBytes}): raise it, or check that the framing fits the data`,
  );
}
