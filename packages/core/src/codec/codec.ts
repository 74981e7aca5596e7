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
  /**
   * Bytes of a message to all of the fields that they hold (`change`), the others taken from `message`. Called instead of
   * `decode` where there is one.
   */
  decodeMessage?(bytes: Uint8Array, message: Message): Message;
  /**
   * A message to the bytes that stand for it. A payload that is null comes here only with `keepsChanges`, one that is bytes only
   * with `encodesBytes`; without, it passes untouched.
   */
  encode(message: Message): Uint8Array;
  /** Whether operation, key and before survive encoding (`change`). */
  readonly keepsChanges: boolean;
  /** Whether bytes are written in another form too (`base64`, `change`). Default false: bytes are taken for encoded already. */
  readonly encodesBytes?: boolean;
}
