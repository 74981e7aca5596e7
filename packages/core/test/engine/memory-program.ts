// A source that is always ready and a sink that is stopped or takes its time, with a pipeline between them or a loop written
// by hand. Begins when it is told `go`, and answers everything else with the counters of the pipeline.
import process from 'node:process';
import { createMessage, memoryCheckpoints, pipeline } from '@sluice/core';
import type { SourceBatch } from '@sluice/core/driver';
import { inlineSink, inlineSource } from '@sluice/core/testing';

const [subject, writeMs = 'never', maxBytes] = process.argv.slice(2);
const messageBytes = 1024;

/** Every batch has a buffer of its own, as those that come from a socket or a file have. */
async function* flood(batchBytes: number): AsyncGenerator<SourceBatch> {
  for (let position = 1; ; position++) {
    const buffer = Buffer.alloc(batchBytes, position);
    const messages = Array.from({ length: batchBytes / messageBytes }, (_, index) =>
      createMessage({ payload: buffer.subarray(index * messageBytes, (index + 1) * messageBytes) }),
    );
    yield { messages, position, bytes: batchBytes };
  }
}

const write = (): Promise<void> =>
  new Promise((resolve) => (writeMs === 'never' ? undefined : setTimeout(resolve, Number(writeMs))));

async function loop(): Promise<void> {
  for await (const { messages } of flood(1024 * 1024)) if (messages.length > 0) await write();
}

const preferred = { maxMessages: 500, maxBytes: 1024 * 1024, maxInFlight: 1 };
const flooded = pipeline({
  name: 'flood',
  source: inlineSource('flood', { read: (_partition, _position, { maxBytes }) => flood(maxBytes) }, { bounded: false }),
  sink: inlineSink('flood', { write }, { preferred }),
  checkpoints: memoryCheckpoints(),
  budget: { maxBytes: Number(maxBytes) },
});
process.on('message', (told) => {
  if (told === 'go') void (subject === 'loop' ? loop() : flooded.run());
  else process.send?.(flooded.stats());
});
process.send?.('ready');
