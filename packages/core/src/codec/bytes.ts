import { toBytes } from '../bytes.js';
import type { Codec } from './codec.js';
import { encodeError } from './codec-error.js';

/** Bytes as they are. A payload that is no bytes is written as {@link toBytes} has it: strings as UTF-8, structures as JSON. */
export const bytesCodec: Codec = {
  name: 'bytes',
  keepsChanges: false,
  decode: (bytes) => bytes,
  encode(message) {
    try {
      return toBytes(message.payload);
    } catch (error) {
      throw encodeError('bytes', error);
    }
  },
};
