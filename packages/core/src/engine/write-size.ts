import type { SinkCapabilities, WriteSize } from '../capabilities.js';
import type { Plan } from './plan.js';

/** How large writes become and what they must not exceed. */
export interface WriteSizes {
  readonly target: WriteSize;
  readonly limits: WriteSize;
}

/** The sizes of the writes to a sink: the definition's or else what the sink prefers, and never above a limit. */
export function writeSizesOf({ batch, messagesPerSecond }: Plan, { preferred, limits }: SinkCapabilities): WriteSizes {
  const none = Number.POSITIVE_INFINITY;
  // A write holds a second's worth at the most, or the first one would pass the rate limit.
  const maxMessages = Math.min(limits?.maxMessages ?? none, Math.max(1, messagesPerSecond ?? none));
  const maxBytes = limits?.maxBytes ?? none;
  return {
    limits: { maxMessages, maxBytes },
    target: {
      maxMessages: Math.min(batch.maxMessages ?? preferred.maxMessages, maxMessages),
      maxBytes: Math.min(batch.maxBytes ?? preferred.maxBytes, maxBytes),
    },
  };
}
