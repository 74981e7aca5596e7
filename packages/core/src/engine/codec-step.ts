import type { Codec } from '../codec/codec.js';
import { type Message, withPayload } from '../message.js';
import type { Step } from './flow.js';

/** Turns payloads that are bytes into values. */
export function decodeStep(codec: Codec): Step {
  const { decodeMessage } = codec;
  return {
    kind: 'map',
    label: `codec ${codec.name}`,
    apply: (message: Message): Message => {
      if (!(message.payload instanceof Uint8Array)) return message;
      if (decodeMessage !== undefined) return decodeMessage(message.payload, message);
      return withPayload(message, codec.decode(message.payload, message));
    },
    passes: (messages) => {
      for (const { payload } of messages) if (ArrayBuffer.isView(payload)) return false;
      return true;
    },
  };
}

/** Turns payloads that are values into bytes; null passes, and so do bytes, unless the codec says otherwise. */
export function encodeStep(codec: Codec): Step {
  const nullPasses = !codec.keepsChanges;
  const bytesPass = nullPasses && codec.encodesBytes !== true;
  // Bytes are the only view among values, and this is several times as fast as `instanceof Uint8Array`.
  const passes = ({ payload }: Message): boolean =>
    payload === null ? nullPasses : bytesPass && ArrayBuffer.isView(payload);
  return {
    kind: 'map',
    label: `codec ${codec.name}`,
    apply: (message: Message): Message => (passes(message) ? message : withPayload(message, codec.encode(message))),
    // A loop: `every` takes twice as long, and every message of every batch is asked.
    passes: (messages) => {
      for (const message of messages) if (!passes(message)) return false;
      return true;
    },
  };
}
