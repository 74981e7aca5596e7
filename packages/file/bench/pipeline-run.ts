// The pipeline that does the same as raw-loop.ts.
import { memoryCheckpoints, pipeline } from '@sluice/core';
import { inlineSink } from '@sluice/core/testing';
import { file } from '@sluice/file';
import { reportCost } from '@sluice/testkit/bench';

const nowhere = inlineSink(
  'null',
  { write: () => Promise.resolve() },
  { preferred: { maxMessages: 5000, maxBytes: 1024 * 1024, maxInFlight: 1 } },
);

const [input = '', output] = process.argv.slice(2);
await reportCost(async () => {
  const { written } = await pipeline({
    name: 'bench',
    source: file.source({ path: input }),
    sink: output === undefined ? nowhere : file.sink({ path: output }),
    checkpoints: memoryCheckpoints(),
  }).run();
  return written;
});
