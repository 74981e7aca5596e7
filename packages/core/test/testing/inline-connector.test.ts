import { expect, it } from 'vitest';
import { memoryCheckpoints, pipeline } from '../../src/index.js';
import { createMessage } from '../../src/message.js';
import { inlineSink, inlineSource } from '../../src/testing/index.js';

const messages = [createMessage({ payload: Buffer.from('a') })];
const source = inlineSource('ready', {
  async *read() {
    yield { messages, position: 1, bytes: 1 };
  },
});

it('is a source and a sink that need no more than what they read and write', async () => {
  const written: unknown[] = [];
  const write = async (batch: { readonly messages: readonly unknown[] }): Promise<void> => {
    written.push(...batch.messages);
  };
  await pipeline({ name: 'copy', source, sink: inlineSink('kept', { write }), checkpoints: memoryCheckpoints() }).run();
  expect(written).toEqual(messages);
});

it('has the capabilities that it is given, and plain ones else', () => {
  const write = async (): Promise<void> => undefined;
  const sink = inlineSink('kept', { write }, { payload: 'value' });
  expect(sink.capabilities).toMatchObject({ payload: 'value', overlap: 'none' });
  expect(source.capabilities).toMatchObject({ bounded: true, keyed: false });
});
