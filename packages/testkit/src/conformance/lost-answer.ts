import type { Behaviour } from './behaviour.js';
import { numberedSource } from './numbered-source.js';
import { catchesUp, goesOn, lastTrouble, settledMessages, startPipeline } from './running-pipeline.js';
import { expectStored } from './stored-messages.js';
import { forSink, isUnable, type Subject } from './subject.js';
import type { Trial } from './trial.js';

/** Requests that are done and whose answers never come. */
export const lostAnswerBehaviours: readonly Behaviour[] = [
  {
    title: 'when the answer to a flush is lost, 50 times, every message is stored exactly once',
    area: 'effectively once',
    inapplicable: withCuts(true),
    timeoutMs: 180_000,
    run: (trial) => loseAnswers(trial, 50),
  },
  {
    title: 'when the answer to what makes messages durable is lost, 10 times, nothing is lost and the order is kept',
    area: 'faults',
    inapplicable: withCuts(false),
    timeoutMs: 60_000,
    run: (trial) => loseAnswers(trial, 10),
  },
];

function withCuts(atomic: boolean): Behaviour['inapplicable'] {
  return (subject: Subject) =>
    forSink(({ capabilities, harness }) => {
      if (capabilities.atomic !== atomic) return { because: atomic ? 'its sink is not atomic' : 'its sink is atomic' };
      if (isUnable(subject.harness.faults)) return subject.harness.faults;
      return isUnable(harness.isCommitRequest) ? harness.isCommitRequest : undefined;
    })(subject);
}

/** Cuts the connection between the request that makes messages durable and its answer, again and again under load. */
async function loseAnswers(trial: Trial, times: number): Promise<void> {
  const { capabilities, harness } = trial.sink;
  const { isCommitRequest } = harness;
  if (isUnable(isCommitRequest)) throw new Error(isCommitRequest.because);
  const place = await trial.sinkPlace();
  const given = new Map<string, number>();
  const running = startPipeline(trial, {
    source: numberedSource({ carries: harness.carries, partitions: ['a', 'b'], batchMessages: 10, given }),
    sink: trial.sinkOf(place),
    rateLimit: { messagesPerSecond: 5000 },
    budget: { maxMessages: 500 },
    flush: { intervalMs: 10 },
  });
  for (let cut = 1; cut <= times; cut++) {
    const { happened } = await trial.faults.cutAfter(isCommitRequest);
    const what = `answer ${cut} of ${times} is lost`;
    await trial.within(Promise.race([happened, running.done]), `${what}${lastTrouble(running)}`, trial.patienceMs * 3);
    await goesOn(trial, running);
  }
  await catchesUp(trial, running, given);
  const written = settledMessages(trial, await running.stop());
  trial.report(`${times} answers were lost, of a pipeline that stored ${[...written.values()].flat().length} messages`);
  await expectStored(place, written, { repeats: !capabilities.atomic, anyOrder: capabilities.idempotent === 'key' });
}
