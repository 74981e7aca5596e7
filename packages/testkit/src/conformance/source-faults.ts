import { setTimeout as delay } from 'node:timers/promises';
import type { Behaviour } from './behaviour.js';
import { captureMessages } from './captured-messages.js';
import { asNative, expectMessages } from './comparison.js';
import { labelOf } from './deliver.js';
import type { NativeMessage, SourcePlace } from './harness.js';
import { numberedMessages } from './native-messages.js';
import { passingCuts } from './passing-cuts.js';
import { lastTrouble, type RunningPipeline, startPipeline } from './running-pipeline.js';
import { forSource, isUnable, type SourceSubject, type Subject } from './subject.js';
import type { Trial } from './trial.js';
import { type SourceStep, watchedSource } from './watched-source.js';

/** Sources whose system is cut off, restarted and paused, and whose sink stands still. */
export const sourceFaultBehaviours: readonly Behaviour[] = [
  cutDuring('read', 'a source whose connection is cut while it reads goes on and loses nothing'),
  cutDuring('commit', 'a source whose connection is cut while it commits goes on and loses nothing'),
  {
    title: 'a source whose server is restarted goes on and loses nothing',
    area: 'faults',
    inapplicable: withFaults(),
    timeoutMs: 120_000,
    run: (trial) =>
      readThrough(trial, async () => {
        await trial.faults.restart();
      }),
  },
  {
    title: 'a source whose server pauses goes on and loses nothing',
    area: 'faults',
    inapplicable: withFaults(),
    timeoutMs: 120_000,
    run: (trial) =>
      readThrough(trial, async () => {
        await trial.faults.pause();
        // Longer than the engine waits for an answer.
        await delay(timeoutMs * 1.5);
        await trial.faults.restore();
      }),
  },
  {
    title: 'a source that is flooded while its sink stands still holds no more than the budget',
    area: 'faults',
    inapplicable: forSource(),
    timeoutMs: 90_000,
    run: floodAndHold,
  },
];

const timeoutMs = 1000;
const mebibyte = 1024 * 1024;

function withFaults(reason: (source: SourceSubject) => { readonly because: string } | undefined = () => undefined) {
  return (subject: Subject): ReturnType<Behaviour['inapplicable']> =>
    forSource((source) => {
      const { faults } = subject.harness;
      if (isUnable(faults)) return faults;
      if (source.capabilities.position === 'none') return { because: 'what is sent while it is cut off is gone' };
      return reason(source);
    })(subject);
}

/** Messages on their way through a pipeline. */
interface Flow {
  /** Sends a round more to every partition, and resolves when it has come; a source that ends by itself was sent all before. */
  send(): Promise<void>;
}

function cutDuring(step: SourceStep, title: string): Behaviour {
  return {
    title,
    area: 'faults',
    inapplicable: withFaults(({ capabilities }) =>
      step === 'commit' && capabilities.position !== 'source' ? { because: 'it keeps no positions' } : undefined,
    ),
    timeoutMs: 120_000,
    async run(trial) {
      let seen = 0;
      const passing = passingCuts(trial);
      const around = async <T>(name: SourceStep, call: () => Promise<T>): Promise<T> => {
        const running = call();
        // The second one, so that a cut falls between messages that are settled and others that are not.
        if (name === step && ++seen === 2) await passing.cut();
        return await running;
      };
      const cutThrice = async (flow: Flow): Promise<void> => {
        for (let wanted = 1; wanted <= 3; wanted++) {
          seen = 0;
          await flow.send();
          await trial.until(() => passing.count >= wanted, `a ${step} that is cut`);
        }
        await trial.within(passing.over(), 'the system is back after the last cut');
      };
      await readThrough(trial, cutThrice, around);
    },
  };
}

/** Hurts the system between two rounds of messages, and compares all that came. */
async function readThrough(
  trial: Trial,
  hurt: (flow: Flow) => Promise<void>,
  around: <T>(step: SourceStep, call: () => Promise<T>) => Promise<T> = (_, call) => call(),
): Promise<void> {
  const place = await trial.sourcePlace(2);
  const captured = captureMessages(5);
  const sent = new Map<string, NativeMessage[]>(place.partitions.map((partition) => [partition, []]));
  const round = 20;
  // What ends by itself has to find everything before it begins.
  const { bounded, order } = trial.source.capabilities;
  const produce = async (): Promise<void> => {
    for (const [partition, messages] of sent) await produceNext(trial, place, { partition, messages, round });
  };
  if (bounded) for (let rounds = 0; rounds < 10; rounds++) await produce();
  const running = startPipeline(trial, {
    source: watchedSource(trial.sourceOf(place), around),
    sink: captured.sink,
    batch: { maxMessages: 5 },
    flush: { intervalMs: 20 },
    // So little that it has to be read bit by bit.
    budget: { maxMessages: 50 },
    timeoutMs,
  });
  const all = (): boolean =>
    [...sent].every(
      ([partition, { length }]) => new Set(captured.messages.get(partition)?.map(payloadText)).size === length,
    );
  const flow: Flow = {
    async send() {
      const before = captured.count;
      if (!bounded) await produce();
      await arrived(trial, running, bounded ? () => captured.count >= before + round || all() : all);
    },
  };
  await flow.send();
  await hurt(flow);
  await flow.send();
  await arrived(trial, running, all);
  await running.stop();
  for (const [partition, messages] of sent) {
    const read = (captured.messages.get(partition) ?? []).map((message) =>
      asNative(message, trial.source.harness.carries),
    );
    expectMessages(read, messages, {
      what: `what came of partition "${partition}"`,
      repeats: true,
      anyOrder: order === 'none',
    });
  }
}

async function arrived(trial: Trial, running: RunningPipeline, all: () => boolean): Promise<void> {
  const coming = trial.until(all, 'everything that was sent arrives', trial.patienceMs * 6);
  await Promise.race([coming, running.done.then(() => coming)]).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${reason}${lastTrouble(running)}`, { cause: error });
  });
}

interface Production {
  readonly partition: string;
  readonly messages: NativeMessage[];
  readonly round: number;
}

async function produceNext(
  trial: Trial,
  place: SourcePlace,
  { partition, messages, round }: Production,
): Promise<void> {
  const label = labelOf(place, partition);
  const next = numberedMessages(trial.source.harness.carries, { label, from: messages.length, count: round });
  await place.produce(next, partition);
  messages.push(...next);
}

function payloadText({ payload }: { readonly payload: unknown }): string {
  return payload instanceof Uint8Array ? Buffer.from(payload).toString('latin1') : String(payload);
}

/** Sends eight times the budget to a pipeline whose sink takes nothing. */
async function floodAndHold(trial: Trial): Promise<void> {
  const { carries } = trial.source.harness;
  const { position, bounded } = trial.source.capabilities;
  const budgetBytes = 4 * mebibyte;
  const payloadBytes = Math.min(32 * 1024, carries.maxPayloadBytes);
  const messages = numberedMessages(carries, { count: Math.ceil((budgetBytes * 8) / payloadBytes), payloadBytes });
  const place = await trial.sourcePlace();
  const [partition = ''] = place.partitions;
  const captured = captureMessages();
  captured.block();
  if (bounded) await place.produce(messages, partition);
  const running = startPipeline(trial, {
    source: trial.sourceOf(place),
    sink: captured.sink,
    budget: { maxBytes: budgetBytes },
    timeoutMs: 60_000,
  });
  await trial.until(() => running.events.some(({ type }) => type === 'started'), 'the pipeline starts');
  if (!bounded) await place.produce(messages, partition);
  // By what was sent: a source may be wrong about the bytes of its batches.
  const heldBytes = (await heldAtMost(trial, running)) * payloadBytes;
  // One batch above the budget, and a batch is a mebibyte at most.
  if (heldBytes > budgetBytes + 2 * mebibyte)
    throw new Error(`${heldBytes} bytes are held with a budget of ${budgetBytes}`);
  captured.open();
  if (position === 'none') return;
  await arrived(trial, running, () => captured.count === messages.length);
  await running.stop();
  const read = (captured.messages.get(partition) ?? []).map((message) => asNative(message, carries));
  expectMessages(read, messages, { what: 'what came', anyOrder: trial.source.capabilities.order === 'none' });
}

/** Waits until the pipeline takes no more, which it must soon, and tells how many messages it holds. */
async function heldAtMost(trial: Trial, running: RunningPipeline): Promise<number> {
  let last = { received: 0, sinceMs: performance.now() };
  await trial.until(() => {
    const { received } = running.stats();
    if (received !== last.received) last = { received, sinceMs: performance.now() };
    return received > 0 && performance.now() - last.sinceMs > 300;
  }, 'the source is held back');
  return running.stats().inFlight;
}
