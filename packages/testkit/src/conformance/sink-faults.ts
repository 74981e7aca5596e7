import type { Behaviour } from './behaviour.js';
import { expectCode, failureOf } from './failure.js';
import { numbered } from './native-messages.js';
import { numberedSource } from './numbered-source.js';
import { openedSink } from './opened-sink.js';
import { passingCuts } from './passing-cuts.js';
import {
  catchesUp,
  goesOn,
  lastTrouble,
  type RunningPipeline,
  settledMessages,
  startPipeline,
} from './running-pipeline.js';
import { expectStored } from './stored-messages.js';
import { forSink, isUnable, type Subject } from './subject.js';
import type { Trial } from './trial.js';
import { type AroundStep, type SinkStep, watchedSink } from './watched-sink.js';

/** Sinks whose system is cut off, restarted and paused. */
export const sinkFaultBehaviours: readonly Behaviour[] = [
  {
    title: 'a write that a lost connection ends fails in bounded time as not connected, and a new connection works',
    area: 'faults',
    inapplicable: withFaults(),
    async run(trial) {
      const place = await trial.sinkPlace();
      const messages = numbered(trial, 'a', 20);
      const sink = await openedSink(trial, place);
      await sink.write(messages.slice(0, 10));
      await sink.flush();
      await trial.faults.cut();
      const store = async (): Promise<void> => {
        await sink.write(messages.slice(10));
        await sink.flush();
      };
      const what = 'a write through a connection that is cut';
      expectCode(trial, await failureOf(trial, store(), what), ['not_connected', 'timeout'], what);
      await sink.close();
      await trial.faults.restore();
      const later = await openedSink(trial, place);
      await later.write(messages.slice(10));
      await later.flush();
      await expectStored(place, messages, { repeats: !trial.sink.capabilities.atomic });
    },
  },
  {
    title: 'a pipeline whose connection is cut while it writes goes on and stores everything',
    area: 'faults',
    inapplicable: withFaults(),
    timeoutMs: 120_000,
    run: (trial) => cutDuring(trial, 'write'),
  },
  {
    title: 'a pipeline whose connection is cut while its messages are made durable goes on and stores everything',
    area: 'faults',
    inapplicable: withFaults(),
    timeoutMs: 120_000,
    run: async (trial) => cutDuring(trial, await durableStep(trial)),
  },
  {
    title: 'a pipeline whose server is restarted while it writes goes on and stores everything',
    area: 'faults',
    inapplicable: withFaults(),
    timeoutMs: 120_000,
    run: (trial) =>
      storeThrough(trial, async (running) => {
        for (let restart = 1; restart <= 2; restart++) {
          await trial.faults.restart();
          await goesOn(trial, running);
        }
      }),
  },
  {
    title:
      'a pipeline whose server pauses for longer than its timeout goes on and stores everything, and holds little meanwhile',
    area: 'faults',
    inapplicable: withFaults(),
    timeoutMs: 120_000,
    run: (trial) =>
      storeThrough(trial, async (running) => {
        await trial.faults.pause();
        const timedOut = (): boolean => running.events.some((event) => event.type === 'degraded');
        await trial.until(timedOut, 'the pipeline notices that its server is paused', trial.patienceMs * 2);
        const { inFlight } = running.stats();
        if (inFlight > budgetMessages * 2)
          throw new Error(
            `${inFlight} messages are held while the server is paused, with a budget of ${budgetMessages}`,
          );
        await trial.faults.restore();
        await goesOn(trial, running);
      }),
  },
];

const budgetMessages = 500;
const cuts = 5;

function withFaults() {
  return (subject: Subject): ReturnType<Behaviour['inapplicable']> =>
    forSink(() => (isUnable(subject.harness.faults) ? subject.harness.faults : undefined))(subject);
}

/** Cuts the connection in the middle of a step, each time with some that succeed between. */
async function cutDuring(trial: Trial, step: SinkStep): Promise<void> {
  let seen = 0;
  const passing = passingCuts(trial);
  const around: AroundStep = async (name, call) => {
    const running = call();
    if (name === step && passing.count < cuts && ++seen % 3 === 0) await passing.cut();
    return await running;
  };
  const hurt = async (running: RunningPipeline): Promise<void> => {
    await trial.until(() => passing.count === cuts, `${cuts} cuts${lastTrouble(running)}`, trial.patienceMs * 6);
    await trial.within(passing.over(), 'the system is back after the last cut');
  };
  await storeThrough(trial, hurt, around);
}

/** What makes messages durable: the flush, or the write of a sink without one. */
async function durableStep(trial: Trial): Promise<SinkStep> {
  const driver = await trial.openSink(await trial.sinkPlace());
  await driver.close();
  return driver.flush === undefined ? 'write' : 'flush';
}

/** Hurts the system under a running pipeline, and compares what is stored at its end. */
async function storeThrough(
  trial: Trial,
  hurt: (running: RunningPipeline) => Promise<unknown>,
  around: AroundStep = (_, call) => call(),
): Promise<void> {
  const { capabilities, harness } = trial.sink;
  const place = await trial.sinkPlace();
  const given = new Map<string, number>();
  const running = startPipeline(trial, {
    source: numberedSource({ carries: harness.carries, partitions: ['a', 'b'], batchMessages: 10, given }),
    sink: watchedSink(trial.sinkOf(place), around),
    rateLimit: { messagesPerSecond: 2000 },
    budget: { maxMessages: budgetMessages },
    timeoutMs: 2000,
  });
  await goesOn(trial, running);
  await hurt(running);
  await goesOn(trial, running);
  await catchesUp(trial, running, given);
  const written = settledMessages(trial, await running.stop());
  await expectStored(place, written, { repeats: !capabilities.atomic, anyOrder: capabilities.idempotent === 'key' });
}
