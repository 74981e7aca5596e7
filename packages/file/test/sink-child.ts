// Writes numbered lines to an atomic sink, from where the last run got to, until it is killed or has written them all. Kills
// itself at the step that it is told.
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { type Checkpoint, createMessage, type DriverContext, type StoredPosition } from '@sluice/core/driver';

/** What a run is told. */
export interface ChildOrder {
  readonly config: unknown;
  readonly total: number;
  /** Messages of one write, and writes of one flush. */
  readonly messagesPerWrite: number;
  readonly writesPerFlush: number;
  /** Kills itself before this step, counted from 1; a step that writes bytes may also be cut in two. */
  readonly dieAt?: number;
  readonly torn?: boolean;
}

const order = JSON.parse(process.argv[2] ?? '') as ChildOrder;
const steps: string[] = [];
await killAtStep();
// Only now, so that the connector gets the functions that count.
const { file } = await import('@sluice/file');

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  // The signal is delivered before anything else can happen.
  for (;;);
}

/** Makes every call that changes the disk a step. */
async function killAtStep(): Promise<void> {
  if (order.dieAt === undefined) return;
  const handle = await fs.open(process.execPath);
  const prototype = Object.getPrototypeOf(handle) as Record<string, (...args: never[]) => Promise<unknown>>;
  await handle.close();
  const calls = fs as unknown as Record<string, (...args: never[]) => Promise<unknown>>;
  for (const [target, names] of [
    [calls, ['open', 'rename', 'mkdir', 'rm']],
    [prototype, ['write', 'writeFile', 'truncate', 'sync', 'datasync']],
  ] as const) {
    for (const name of names) {
      const original = target[name];
      if (original === undefined) throw new Error(`no ${name}`);
      target[name] = async function step(this: unknown, ...args: never[]) {
        if (steps.push(name) === order.dieAt) {
          const [bytes] = args as unknown[];
          if (order.torn && bytes instanceof Uint8Array)
            await original.call(this, ...([bytes.subarray(0, bytes.length / 2)] as never[]));
          die();
        }
        return original.call(this, ...args);
      };
    }
  }
  syncBuiltinESMExports();
}

const context: DriverContext = {
  pipeline: 'kill',
  id: 'sink',
  signal: new AbortController().signal,
  metrics: { add: () => undefined, set: () => undefined },
  notice: () => undefined,
};
const { sink } = file.descriptor;
const driver = await sink?.open(sink.config.parse(order.config), {}, context);
const claimed: Checkpoint = (await driver?.claim?.(['source:'])) ?? {};
let next = Number((claimed['source:'] as StoredPosition | undefined)?.position ?? 0);
process.stdout.write(`${next}\n`);
while (next < order.total) {
  for (let write = 0; write < order.writesPerFlush && next < order.total; write++) {
    const messages = Array.from({ length: order.messagesPerWrite }, () =>
      createMessage({ payload: Buffer.from(`line ${next++}`) }),
    );
    await driver?.write(
      { messages, slices: [{ partition: 'source:', from: 0, to: messages.length, position: next }] },
      context.signal,
    );
  }
  await driver?.flush?.(
    { 'source:': { connector: 'test', version: 1, identity: null, position: next } },
    context.signal,
  );
}
await driver?.close();
process.stdout.write(`${steps.join()}\n`);
