import type { Codec } from '../codec/codec.js';
import { type Message, withPayload } from '../message.js';
import type { Transform } from '../transform.js';

/** Turns payloads that are bytes into values. */
export function decodeStep(codec: Codec): Transform {
  const { decodeMessage } = codec;
  return {
    kind: 'map',
    label: `codec ${codec.name}`,
    apply: (message: Message): Message => {
      if (!(message.payload instanceof Uint8Array)) return message;
      if (decodeMessage !== undefined) return decodeMessage(message.payload, message);
      return withPayload(message, codec.decode(message.payload, message));
    },
  };
}

/** Turns payloads that are values into bytes; bytes and null pass, unless the codec carries more than the payload. */
export function encodeStep(codec: Codec): Transform {
  return {
    kind: 'map',
    label: `codec ${codec.name}`,
    apply: (message: Message): Message => {
      const { payload } = message;
      if (!codec.keepsChanges && (payload === null || (payload instanceof Uint8Array && codec.encodesBytes !== true))) return message;
      return withPayload(message, codec.encode(message));
    },
  };
}
