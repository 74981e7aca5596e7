import { asBuffer } from '../byte-text.js';
import { ConnectorError } from '../error.js';
import type { Value } from '../message.js';
import { payloadBytes } from './frame-bytes.js';
import { FrameList } from './frame-list.js';
import type { Framing, FramingPosition, Unframer } from './framing.js';
import { PartialMessage, tooLarge } from './partial-message.js';

/** How the lengths are written. */
export interface LengthPrefixedConfig {
  readonly type: 'length-prefixed';
  /** Bytes of each length. */
  readonly lengthBytes: 1 | 2 | 4;
  readonly endianness: 'big' | 'little';
  readonly maxMessageBytes: number;
}

/**
 * Each message stands behind its length, an unsigned integer that does not count itself. A stream that ends inside a message ends
 * with a failure `message_invalid`.
 *
 * A length above `maxMessageBytes` throws `unsupported`, out of the push after the one that gave the last good message: it
 * means damage or another framing, and skipping that many bytes would pass over good messages in silence.
 */
export function lengthPrefixedFraming(config: LengthPrefixedConfig): Framing {
  return {
    name: 'length-prefixed',
    unframe: (position) => lengthPrefixedUnframer(config, position),
    frame: (payload) => frameLengthPrefixed(config, payload),
  };
}

function lengthPrefixedUnframer(config: LengthPrefixedConfig, position: FramingPosition | undefined): Unframer {
  const { lengthBytes, maxMessageBytes } = config;
  const prefix = new PartialMessage(lengthBytes);
  const partial = new PartialMessage(maxMessageBytes);
  /** Length of the message whose prefix was read, undefined before. */
  let length: number | undefined;
  let offset = position?.bytes ?? 0;
  let broken: ConnectorError | undefined;

  /** Reads the length at `from` as far as it is there and returns where its bytes end. */
  const readPrefix = (buffer: Buffer, from: number): number => {
    if (prefix.bytes === 0 && from + lengthBytes <= buffer.length) {
      length = lengthAt(buffer, from, config);
      return from + lengthBytes;
    }
    const part = buffer.subarray(from, from + lengthBytes - prefix.bytes);
    if (prefix.bytes + part.length < lengthBytes) prefix.add(part);
    else length = lengthAt(prefix.take(part), 0, config);
    return from + part.length;
  };

  return {
    push(chunk) {
      const frames = new FrameList();
      const buffer = asBuffer(chunk);
      let from = 0;
      while (from < buffer.length && broken === undefined) {
        if (length === undefined) from = readPrefix(buffer, from);
        if (length === undefined) break;
        if (length > maxMessageBytes) {
          broken = impossibleLength(length, offset + from - lengthBytes, maxMessageBytes);
          break;
        }
        const to = from + length - partial.bytes;
        if (to > buffer.length) {
          partial.add(buffer.subarray(from));
          break;
        }
        const rest = buffer.subarray(from, to);
        frames.add(partial.bytes === 0 ? rest : partial.take(rest), offset + to);
        length = undefined;
        from = to;
      }
      offset += buffer.length;
      if (broken !== undefined && frames.payloads.length === 0) throw broken;
      return frames;
    },
    end() {
      if (broken !== undefined) throw broken;
      const frames = new FrameList();
      const held = prefix.bytes + partial.bytes;
      if (held === 0 && length === undefined) return frames;
      const missing = length === undefined ? lengthBytes - prefix.bytes : length - partial.bytes;
      const part = length === undefined ? 'its length' : `its ${length} bytes`;
      const reason = `the stream ends inside its last message: ${missing} bytes of ${part} are missing`;
      const rest = length === undefined ? prefix.take(nothing) : partial.take(nothing);
      length = undefined;
      frames.fail(rest, offset, new ConnectorError('message_invalid', reason));
      return frames;
    },
    positionAt: (bytes) => ({ bytes }),
    get heldBytes() {
      return prefix.heldBytes + partial.heldBytes;
    },
  };
}

const nothing: Buffer = Buffer.alloc(0);

function lengthAt(buffer: Buffer, at: number, { lengthBytes, endianness }: LengthPrefixedConfig): number {
  return endianness === 'big' ? buffer.readUIntBE(at, lengthBytes) : buffer.readUIntLE(at, lengthBytes);
}

function frameLengthPrefixed(config: LengthPrefixedConfig, payload: Value): Uint8Array {
  const { lengthBytes, endianness, maxMessageBytes } = config;
  const message = payloadBytes(payload, 'length-prefixed', maxMessageBytes);
  const largest = 2 ** (8 * lengthBytes) - 1;
  if (message.length > largest) {
    const subject = `the payload of ${message.length} bytes`;
    throw new ConnectorError(
      'message_too_large',
      `${subject} does not fit a length of ${lengthBytes} bytes: raise lengthBytes`,
    );
  }
  const framed = Buffer.allocUnsafe(lengthBytes + message.length);
  if (endianness === 'big') framed.writeUIntBE(message.length, 0, lengthBytes);
  else framed.writeUIntLE(message.length, 0, lengthBytes);
  message.copy(framed, lengthBytes);
  return framed;
}

function impossibleLength(length: number, at: number, maxBytes: number): ConnectorError {
  const { message } = tooLarge(`the message of ${length} bytes at byte ${at}`, maxBytes);
  return new ConnectorError('unsupported', message);
}
