import { asBuffer } from '../byte-text.js';
import { toBytes } from '../bytes.js';
import { ConnectorError } from '../error.js';
import type { Codec } from './codec.js';
import { decodeError, encodeError } from './codec-error.js';

/**
 * Base64 text outside, bytes inside; carries any bytes through a place that takes only text, or only lines. Standard alphabet;
 * padding is written, and may be absent when read. A payload that is no bytes is first turned into them as {@link toBytes} does.
 */
export const base64Codec: Codec = {
  name: 'base64',
  keepsChanges: false,
  encodesBytes: true,
  decode(bytes) {
    try {
      return fromBase64(asBuffer(bytes).toString('latin1'));
    } catch (error) {
      throw decodeError('base64', error, bytes);
    }
  },
  encode(message) {
    try {
      return Buffer.from(asBuffer(toBytes(message.payload)).toString('base64'), 'latin1');
    } catch (error) {
      throw encodeError('base64', error);
    }
  },
};

/**
 * The bytes that base64 text stands for.
 *
 * @throws {ConnectorError} `message_invalid` when it is not the base64 of any bytes
 */
export function fromBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  // Node skips over what is not base64, so only the way back tells whether anything was lost.
  const expected = bytes.toString('base64');
  if (text === expected || text === expected.replace(/=+$/, '')) return bytes;
  const at = text.search(/[^A-Za-z0-9+/=]/);
  throw new ConnectorError(
    'message_invalid',
    at === -1 ? 'the base64 is cut off or wrongly padded' : `byte ${at} is not in the base64 alphabet`,
  );
}
