import { asBuffer } from '../byte-text.js';
import { ConnectorError } from '../error.js';
import type { Value } from '../message.js';
import type { FramingName } from './framing.js';
import { tooLarge } from './partial-message.js';

/**
 * A payload that is to be framed as bytes.
 *
 * @throws {ConnectorError} `message_invalid` when it is none, `message_too_large` when it could not be read back
 */
export function payloadBytes(payload: Value, framing: FramingName, maxBytes: number): Buffer {
  if (!(payload instanceof Uint8Array)) throw unframable(framing, payload === null ? 'it is null' : 'it is not bytes');
  if (payload.byteLength > maxBytes) throw tooLarge(`the payload of ${payload.byteLength} bytes`, maxBytes);
  return asBuffer(payload);
}

/** A payload that has no form in a framing. */
export function unframable(framing: FramingName, reason: string): ConnectorError {
  return new ConnectorError('message_invalid', `${framing} framing could not write the payload: ${reason}`);
}
