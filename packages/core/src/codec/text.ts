import { utf8Text } from '../byte-text.js';
import { textOf } from '../bytes.js';
import { ConnectorError } from '../error.js';
import type { Codec } from './codec.js';
import { decodeError, encodeError } from './codec-error.js';

/**
 * UTF-8 text, strictly: bytes that are not UTF-8 are refused, and nothing is replaced or dropped. Encoding takes what has a plain
 * text (strings, numbers, bigints, booleans, dates); arrays and objects are refused.
 */
export const textCodec: Codec = {
  name: 'text',
  keepsChanges: false,
  decode(bytes) {
    try {
      return utf8Text(bytes);
    } catch (error) {
      throw decodeError('text', error, bytes);
    }
  },
  encode({ payload }) {
    try {
      if (
        typeof payload === 'object' &&
        payload !== null &&
        !(payload instanceof Date || payload instanceof Uint8Array)
      ) {
        throw new ConnectorError('message_invalid', 'it has fields and is not text; set codec json');
      }
      return Buffer.from(textOf(payload));
    } catch (error) {
      throw encodeError('text', error);
    }
  },
};
