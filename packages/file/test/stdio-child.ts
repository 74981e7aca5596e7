// Drives the source of standard input or the sink of standard output in a process of its own. Reports on standard error.
import { createMessage, type DriverContext } from '@sluice/core/driver';
import { file } from '@sluice/file';

const [mode, argument = ''] = process.argv.slice(2);
const abort = new AbortController();
const context: DriverContext = {
  pipeline: 'test',
  id: 'file',
  signal: abort.signal,
  metrics: { add: () => undefined, set: () => undefined },
  notice: () => undefined,
};
const { source, sink } = file.descriptor;

function report(value: unknown): void {
  process.stderr.write(`${JSON.stringify(value)}\n`);
}

async function read(): Promise<void> {
  const driver = await source?.open(source.config.parse({ path: '-' }), {}, context);
  let abortedAt = 0;
  process.once('SIGTERM', () => {
    abortedAt = performance.now();
    abort.abort();
  });
  const options = { maxMessages: 10, maxBytes: 1024 * 1024, signal: abort.signal };
  for await (const { messages, position } of driver?.read('-', undefined, options) ?? []) {
    report({
      messages: messages.map(({ topic, payload }) => [
        topic,
        payload instanceof Uint8Array ? Buffer.from(payload).toString() : payload,
      ]),
      position,
    });
  }
  report({ endedAfterMs: Math.round(performance.now() - abortedAt) });
  await driver?.close();
}

async function write(): Promise<void> {
  const driver = await sink?.open(sink.config.parse({ path: '-' }), {}, context);
  let ticks = 0;
  const timer = setInterval(() => {
    if (++ticks === 5) report('alive');
  }, 10);
  try {
    for (let round = 0; round < Number(argument); round++) {
      const payload = Buffer.alloc(256 * 1024, `${round % 10}`);
      await driver?.write({ messages: [createMessage({ payload })], slices: [] }, abort.signal);
    }
    await driver?.flush?.({}, abort.signal);
    report('written');
  } catch (error) {
    report(file.descriptor.classify?.(error) ?? { unclassified: String(error) });
  }
  clearInterval(timer);
  await driver?.close();
}

await (mode === 'read' ? read() : write());
