import type { Behaviour } from './behaviour.js';
import { expectCode, failureOf } from './failure.js';
import type { NativeMessage, SinkPlace } from './harness.js';
import { numbered } from './native-messages.js';
import { numberedSource } from './numbered-source.js';
import { drivenSink, type OpenedSink, openedSink } from './opened-sink.js';
import { type RunningPipeline, settledMessages, startPipeline } from './running-pipeline.js';
import { expectStored } from './stored-messages.js';
import { forSink } from './subject.js';
import type { Trial } from './trial.js';

/** Two instances of one pipeline. */
export const fenceBehaviours: readonly Behaviour[] = [
  {
    title:
      'of two instances of one pipeline one alone can store anything: the older one is fenced, or keeps the newer one out',
    area: 'effectively once',
    inapplicable: forSink(({ capabilities: { atomic } }) => (atomic ? undefined : { because: 'it is not atomic' })),
    async run(trial) {
      const place = await trial.sinkPlace();
      const messages = numbered(trial, 'a', 40);
      const older = await openedSink(trial, place);
      await older.write(messages.slice(0, 10));
      await older.flush();
      await older.write(messages.slice(10, 20));
      const newer = await claimBeside(trial, place);
      if (newer === undefined) {
        // Kept out: the older one goes on as if nothing had been, and the newer one follows when it is gone.
        await older.flush();
        await older.close();
        await continueWith(await openedSink(trial, place), messages.slice(20));
      } else {
        await newer.write(messages.slice(10, 20));
        await newer.flush();
        await expectFenced(trial, older, messages.slice(20, 30));
        await continueWith(newer, messages.slice(20));
        await expectFenced(trial, older, messages.slice(20, 30));
      }
      await expectStored(place, messages);
    },
  },
  {
    title:
      'when a second instance of a running pipeline is started, one of them ends with fenced and every message is stored once',
    area: 'effectively once',
    inapplicable: forSink(({ capabilities: { atomic } }) => (atomic ? undefined : { because: 'it is not atomic' })),
    timeoutMs: 60_000,
    async run(trial) {
      const { carries } = trial.sink.harness;
      const place = await trial.sinkPlace();
      const start = () =>
        startPipeline(trial, {
          source: numberedSource({ carries, partitions: ['a', 'b'], batchMessages: 10 }),
          sink: trial.sinkOf(place),
          rateLimit: { messagesPerSecond: 2000 },
          budget: { maxMessages: 200 },
          flush: { intervalMs: 20 },
        });
      const first = start();
      await trial.until(() => first.stats().written > 100, 'the first instance writes');
      const second = start();
      const failed = new Set<RunningPipeline>();
      for (const each of [first, second]) each.done.catch(() => failed.add(each));
      const fenced = await failureOf(trial, Promise.race([first.done, second.done]), 'one of two instances');
      expectCode(trial, fenced, ['fenced'], 'an instance that is not alone');
      // It may still be claiming, and has to go on from what the other one has stored.
      const hasBoth = (each: RunningPipeline): boolean => Object.keys(each.stats().positions).length === 2;
      const goesOn = (): boolean => [first, second].every((each) => failed.has(each) || hasBoth(each));
      await trial.until(goesOn, 'the other instance goes on');
      const outcomes = await Promise.allSettled([first.stop(), second.stop()]);
      const left = outcomes.find((outcome) => outcome.status === 'fulfilled');
      if (left === undefined) throw new Error('both instances ended with an error');
      await expectStored(place, settledMessages(trial, left.value));
    },
  },
];

/** A second instance that has claimed; undefined when it was kept out. */
async function claimBeside(trial: Trial, place: SinkPlace): Promise<OpenedSink | undefined> {
  const newer = drivenSink(trial, await trial.openSink(place));
  try {
    await newer.claim('a');
    return newer;
  } catch (error) {
    expectCode(trial, error, ['fenced'], 'a claim beside an instance that keeps others out');
    await newer.close();
    return undefined;
  }
}

async function continueWith(sink: OpenedSink, messages: readonly NativeMessage[]): Promise<void> {
  await sink.write(messages);
  await sink.flush();
}

/** The write may fail or the flush, but one of them must. */
async function expectFenced(trial: Trial, older: OpenedSink, messages: readonly NativeMessage[]): Promise<void> {
  const what = 'a write and flush of the older instance';
  expectCode(trial, await failureOf(trial, continueWith(older, messages), what), ['fenced'], what);
}
