import { asBuffer } from '../byte-text.js';
import type { Value } from '../message.js';
import { payloadBytes, unframable } from './frame-bytes.js';
import { FrameList } from './frame-list.js';
import type { Framing, FramingPosition, Unframer } from './framing.js';
import { keptOf, PartialMessage, tooLarge } from './partial-message.js';

/** How lines are cut and written. */
export interface LinesConfig {
  readonly type: 'lines';
  /** `auto` reads LF and CRLF and writes LF, `crlf` reads both and writes CRLF, `lf` takes a CR for a part of the message. */
  readonly newline: 'auto' | 'lf' | 'crlf';
  /** Whether empty lines are passed over instead of being messages with an empty payload. */
  readonly skipEmpty: boolean;
  readonly maxMessageBytes: number;
}

const lf = 0x0a;
const cr = 0x0d;
const nothing: Buffer = Buffer.alloc(0);

/**
 * One message per line, without its newline; all other bytes stay as they are, invalid UTF-8 and a byte order mark too. A last
 * line without newline is a message. An empty line is one with an empty payload, so that copying keeps it, unless `skipEmpty`. A
 * line above `maxMessageBytes` (its CR counts) is a failure `message_too_large` with its first bytes; cutting goes on after it.
 */
export function linesFraming(config: LinesConfig): Framing {
  const ending = Buffer.from(config.newline === 'crlf' ? '\r\n' : '\n');
  return {
    name: 'lines',
    unframe: (position) => linesUnframer(config, position),
    frame: (payload) => frameLine(config, payload, ending),
    join: (messages, scratch) => joinLines(config, messages, ending, scratch),
  };
}

function linesUnframer(config: LinesConfig, position: FramingPosition | undefined): Unframer {
  const { maxMessageBytes, skipEmpty } = config;
  const stripsCr = config.newline !== 'lf';
  const partial = new PartialMessage(maxMessageBytes);
  /** Where the next chunk begins. */
  let offset = position?.bytes ?? 0;

  /** Cuts the line `buffer[from, newline)` of `size` bytes, whose newline ends before `end`. */
  const cut = (frames: FrameList, buffer: Buffer, from: number, newline: number, size: number, end: number): void => {
    if (size > maxMessageBytes) {
      const error = tooLarge(`the line at byte ${end - 1 - size}`, maxMessageBytes);
      frames.fail(keptOf(buffer.subarray(from, newline), maxMessageBytes), end, error);
      return;
    }
    const to = stripsCr && buffer[newline - 1] === cr ? newline - 1 : newline;
    if (to > from || !skipEmpty) frames.add(buffer.subarray(from, to), end);
  };

  return {
    push(chunk) {
      const frames = new FrameList();
      const buffer = asBuffer(chunk);
      let from = 0;
      let newline = buffer.indexOf(lf);
      if (newline !== -1 && partial.bytes > 0) {
        const size = partial.bytes + newline;
        const line = partial.take(buffer.subarray(0, newline));
        cut(frames, line, 0, line.length, size, offset + newline + 1);
        from = newline + 1;
        newline = buffer.indexOf(lf, from);
      }
      const { payloads, ends } = frames;
      for (; newline !== -1; newline = buffer.indexOf(lf, from)) {
        const isUsual = newline > from && newline - from <= maxMessageBytes && buffer[newline - 1] !== cr;
        // What `cut` does with such a line, without the cost of the calls: this is where big files spend their time.
        if (isUsual) {
          payloads.push(buffer.subarray(from, newline));
          ends.push(offset + newline + 1);
        } else cut(frames, buffer, from, newline, newline - from, offset + newline + 1);
        from = newline + 1;
      }
      if (from < buffer.length) partial.add(buffer.subarray(from));
      offset += buffer.length;
      return frames;
    },
    end() {
      const frames = new FrameList();
      const size = partial.bytes;
      const line = partial.take(nothing);
      if (size > maxMessageBytes) {
        frames.fail(line, offset, tooLarge(`the line at byte ${offset - size}`, maxMessageBytes));
      } else if (size > 0) {
        frames.add(line, offset);
      }
      return frames;
    },
    positionAt: (bytes) => ({ bytes }),
    get heldBytes() {
      return partial.heldBytes;
    },
  };
}

function frameLine(config: LinesConfig, payload: Value, ending: Buffer): Uint8Array {
  const line = payloadBytes(payload, 'lines', config.maxMessageBytes);
  const newline = line.indexOf(lf);
  if (newline !== -1) {
    throw unframable('lines', `it has a newline at byte ${newline}. Use framing length-prefixed, or codec base64`);
  }
  // Readers of CRLF and of `auto` would take it for a part of the newline.
  if (config.newline !== 'lf' && line[line.length - 1] === cr) {
    throw unframable('lines', 'it ends with a carriage return, which would be lost when it is read. Set newline: lf');
  }
  const framed = Buffer.allocUnsafe(line.length + ending.length);
  line.copy(framed);
  ending.copy(framed, line.length);
  return framed;
}

/** Checks the same as {@link frameLine} does. */
function joinLines(
  { newline, maxMessageBytes }: LinesConfig,
  messages: readonly { readonly payload: Value }[],
  ending: Buffer,
  scratch: Uint8Array,
): Uint8Array | undefined {
  let size = messages.length * ending.length;
  for (const { payload } of messages) {
    if (!(payload instanceof Uint8Array) || payload.length > maxMessageBytes) return undefined;
    size += payload.length;
  }
  const joined = size <= scratch.length ? scratch.subarray(0, size) : Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (const { payload } of messages) {
    const line = payload as Uint8Array; // the loop above returns for all others
    if (line.indexOf(lf) !== -1 || (newline !== 'lf' && line[line.length - 1] === cr)) return undefined;
    joined.set(line, at);
    at += line.length;
    joined.set(ending, at);
    at += ending.length;
  }
  return joined;
}
