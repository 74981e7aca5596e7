import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { memoryCheckpoints, type Pipeline, type PipelineDefinition, pipeline } from '../../src/index.js';
import { createMessage } from '../../src/message.js';
import type { ReadOptions, SourceBatch } from '../../src/source-driver.js';
import { inlineSink, inlineSource } from '../../src/testing/index.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void; // what the flag adds

/** A pipeline from a source whose batches come from `next`. */
function pipelineOf(
  next: (options: ReadOptions) => Promise<IteratorResult<SourceBatch>>,
  settings: Pick<PipelineDefinition, 'budget' | 'flush'>,
): Pipeline {
  const source = inlineSource('one-partition', {
    read: (_partition, _position, options) => ({ [Symbol.asyncIterator]: () => ({ next: () => next(options) }) }),
  });
  const preferred = { maxMessages: 10, maxBytes: 1000, maxInFlight: 1 };
  const store = async (): Promise<void> => undefined;
  const sink = inlineSink('one-partition', { write: store, flush: store }, { payload: 'value', preferred });
  return pipeline({ name: 'copy', source, sink, checkpoints: memoryCheckpoints(), ...settings });
}

it('holds no batch that is written while the next one is awaited', async () => {
  const later = Promise.withResolvers<IteratorResult<SourceBatch>>();
  const asked = Promise.withResolvers<void>();
  let given: WeakRef<SourceBatch> | undefined;
  const next = async (): Promise<IteratorResult<SourceBatch>> => {
    if (given !== undefined) {
      asked.resolve();
      return later.promise;
    }
    const value: SourceBatch = { messages: [createMessage({ key: 'a' })], position: 1, bytes: 1 };
    given = new WeakRef(value);
    return { value, done: false };
  };
  const run = pipelineOf(next, { flush: { intervalMs: 60_000 } }).run();
  await asked.promise;
  await new Promise(setImmediate); // a reference that was just made holds until then
  collectGarbage();
  expect(given?.deref()).toBeUndefined();
  later.resolve({ value: undefined, done: true });
  expect(await run).toMatchObject({ written: 1 });
});

it('asks for half of the budget at the most, so that there is room for a batch while another one is written', async () => {
  let asked: ReadOptions | undefined;
  const next = async (options: ReadOptions): Promise<IteratorResult<SourceBatch>> => {
    asked = options;
    return { value: undefined, done: true };
  };
  await pipelineOf(next, { budget: { maxMessages: 100, maxBytes: 1000 } }).run();
  expect(asked).toMatchObject({ maxMessages: 50, maxBytes: 500 });
});
