import { conformance } from '../src/conformance/conformance.js';
import { type MemoryMode, memoryHarness } from './memory-harness.js';
import { startMemoryServer } from './memory-server.js';

const modes: Readonly<Record<string, MemoryMode>> = {
  'a log whose positions the engine keeps': { source: { position: 'engine', commits: false } },
  'a log that is read by a group': {
    source: { position: 'source', partitions: 'assigned' },
    sink: { atomic: true, overlap: 'ordered' },
  },
  'a log with an end': { source: { position: 'engine', bounded: true, lag: false }, sink: { flush: true } },
  'a queue with a window': {
    source: { position: 'source', replayable: false, partitions: 'single', window: 100, keyed: false },
    sink: { flush: true, idempotent: 'key', changes: true, overlap: 'partitions', limits: { maxMessages: 200 } },
  },
  'what passes by': {
    source: { position: 'none', partitions: 'single', positionAt: false, lag: false },
    carries: { nullPayload: false, emptyPayload: false, anyByte: false, maxPayloadBytes: 1000 },
  },
};

for (const [title, mode] of Object.entries(modes))
  conformance(async () => memoryHarness(startMemoryServer(), mode), {
    title: `the memory server as ${title} conforms`,
  });
