import type { Message, Value } from '../message.js';

/** The codecs that core has. */
export type CodecName = 'bytes' | 'text' | 'json' | 'base64' | 'change';

/**
 * Maps one payload to one value and back. Both functions throw on what they cannot map; the engine makes that message
 * *invalid* and goes on.
 */
export interface Codec {
  /** For texts: `json`. */
  readonly name: string;
  /** Bytes of a message to its value. */
  decode(bytes: Uint8Array, message: Message): Value;
  /** A message to the bytes that stand for it. Never called with a payload that is bytes or null, unless `keepsChanges`. */
  encode(message: Message): Uint8Array;
  /** Whether operation, key and before survive encoding (`change`). */
  readonly keepsChanges: boolean;
}
