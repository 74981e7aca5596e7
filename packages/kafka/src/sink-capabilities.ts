import type { SinkCapabilities } from '@sluice/core/driver';
import { takesPayload } from './message.js';
import type { KafkaSinkSettings } from './sink-config.js';

/**
 * What a sink with this config can do. Writes overlap in order, because each partition has one batch under way at a time and
 * the others wait behind it. In transactions only writes of different source partitions do: a write that is refused must
 * not have one behind it that was taken over.
 */
export function sinkCapabilities(config: KafkaSinkSettings): SinkCapabilities {
  const { transactional, maxBatchBytes } = config;
  return {
    atomic: transactional,
    idempotent: false,
    overlap: transactional ? 'partitions' : 'ordered',
    payload: takesPayload(config) ? 'value' : 'bytes',
    changes: false,
    preferred: { maxMessages: 5000, maxBytes: Math.max(maxBatchBytes, 1_000_000), maxInFlight: 4 },
  };
}
