// The pipeline that does the same as raw-loop.ts.
import { memoryCheckpoints, pipeline } from '@sluice/core';
import { defineConnector, z } from '@sluice/core/driver';
import { file } from '@sluice/file';
import { reportCost } from '@sluice/testkit/bench';

const drop = defineConnector({
  name: 'null',
  title: 'Null',
  contract: 1,
  sink: {
    config: z.strictObject({}),
    capabilities: () => ({
      atomic: false,
      idempotent: false,
      overlap: 'none',
      payload: 'bytes',
      changes: false,
      preferred: { maxMessages: 5000, maxBytes: 1024 * 1024, maxInFlight: 1 },
    }),
    open: () => Promise.resolve({ write: () => Promise.resolve(), close: () => Promise.resolve() }),
  },
});

const [input = '', output] = process.argv.slice(2);
await reportCost(async () => {
  const { written } = await pipeline({
    name: 'bench',
    source: file.source({ path: input }),
    sink: output === undefined ? drop.sink({}) : file.sink({ path: output }),
    checkpoints: memoryCheckpoints(),
  }).run();
  return written;
});
