import { asBuffer } from '../byte-text.js';
import { payloadBytes, unframable } from './frame-bytes.js';
import { FrameList } from './frame-list.js';
import type { Framing, FramingPosition, Unframer } from './framing.js';
import { PartialMessage, tooLarge } from './partial-message.js';

/** How large a stream may be that is one message. */
export interface WholeConfig {
  readonly type: 'whole';
  readonly maxMessageBytes: number;
}

/**
 * The whole stream is one message. An empty stream has none, since no position could tell that it was read. A stream above
 * `maxMessageBytes` is a failure `message_too_large` with its first bytes.
 */
export function wholeFraming(config: WholeConfig): Framing {
  return {
    name: 'whole',
    unframe: (position) => wholeUnframer(config, position),
    frame(payload, first) {
      if (!first)
        throw unframable('whole', 'its stream holds a message already. Use another framing, or one file per message');
      return payloadBytes(payload, 'whole', config.maxMessageBytes);
    },
  };
}

function wholeUnframer({ maxMessageBytes }: WholeConfig, position: FramingPosition | undefined): Unframer {
  const partial = new PartialMessage(maxMessageBytes);
  const start = position?.bytes ?? 0;
  return {
    push(chunk) {
      partial.add(asBuffer(chunk));
      return new FrameList();
    },
    end() {
      const frames = new FrameList();
      const size = partial.bytes;
      const message = partial.take(Buffer.alloc(0));
      const end = start + size;
      if (size > maxMessageBytes) frames.fail(message, end, tooLarge(`the stream of ${size} bytes`, maxMessageBytes));
      else if (size > 0) frames.add(message, end);
      return frames;
    },
    positionAt: (bytes) => ({ bytes }),
    get heldBytes() {
      return partial.heldBytes;
    },
  };
}
