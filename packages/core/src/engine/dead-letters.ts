import { ConnectorError, withoutStop } from '../error.js';
import type { Sink } from '../sink.js';
import { DeadLetterThreshold, deadLetterOf } from './dead-letter.js';
import { DeadLetterWriter } from './dead-letter-writer.js';
import { finishPart, type Hub, type InvalidMessage, stoppedBy } from './hub.js';
import type { Segment } from './lease.js';
import type { BranchPlan, DeadLetterPlan, SourcePlan } from './plan.js';
import type { SinkSession } from './sink-session.js';

interface Destination {
  readonly writer: DeadLetterWriter;
  readonly threshold: DeadLetterThreshold;
}

/** Decides what becomes of invalid messages: dead letters, dropped, or the end of the run. */
export class DeadLetters {
  readonly writers: readonly DeadLetterWriter[];
  readonly #hub: Hub;
  #exceeded = false;
  readonly #destinations = new Map<DeadLetterPlan, Destination>();

  constructor(hub: Hub, session: (sink: Sink, part: string) => SinkSession) {
    this.#hub = hub;
    for (const plan of new Set([hub.plan.deadLetter, ...hub.plan.branches.map((branch) => branch.deadLetter)])) {
      if (plan === undefined) continue;
      const part = `deadLetter${this.#destinations.size === 0 ? '' : this.#destinations.size + 1}`;
      this.#destinations.set(plan, {
        writer: new DeadLetterWriter(hub, plan, part, session(plan.sink, part)),
        threshold: new DeadLetterThreshold(plan.maxRatio, plan.window),
      });
    }
    this.writers = [...this.#destinations.values()].map(({ writer }) => writer);
  }

  add(message: InvalidMessage): void {
    const { segment, error, branch } = message;
    const { plan } = this.#hub;
    const part = branch ?? segment.lease.source;
    const letterPlan = branch?.deadLetter ?? plan.deadLetter;
    const destination = letterPlan === undefined ? undefined : this.#destinations.get(letterPlan);
    if (plan.onInvalid === 'drop') {
      this.#hub.stats.gaveUp(part, error.code, true);
      this.#hub.emit({ type: 'deadLetter', part: part.id, count: 1, dropped: true, error });
    } else if (destination === undefined) this.#stopAt(message);
    else this.#store(message, part, destination);
  }

  #store(message: InvalidMessage, part: SourcePlan | BranchPlan, { writer, threshold }: Destination): void {
    const { segment, index, error, branch } = message;
    // A message that was expanded may fail several times in one branch, and each branch refuses it for itself.
    const refused = `${index} ${branch?.id ?? ''}`;
    if (segment.deadLettered.has(refused)) return;
    segment.deadLettered.add(refused);
    segment.pending++;
    if (this.#exceeded) return; // the run ends, and the next one begins with it
    const { clock } = this.#hub.plan;
    writer.add(deadLetterOf(message, this.#hub.plan, clock.now()), () => {
      this.#hub.stats.gaveUp(part, error.code, false);
      this.#hub.emit({ type: 'deadLetter', part: part.id, count: 1, dropped: false, error });
      finishPart(this.#hub, segment);
    });
    const reason = threshold.add(error, segment.receivedBefore + index);
    if (reason === undefined || this.#hub.stopping) return;
    this.#exceeded = true;
    const { maxRatio, window } = writer.plan;
    const share = `more than ${maxRatio * 100} % of the latest ${window} messages are invalid`;
    const text = `${share}, most often because: ${withoutStop(reason)}. Remove the cause, or raise deadLetter.maxRatio.`;
    this.#hub.fail(new ConnectorError(error.code, text, { cause: error }), 'drop');
  }

  /** A sink refused a message and there are no dead letters: the checkpoint stays just before it. */
  #stopAt({ segment, index, error, branch, isEarly }: InvalidMessage): void {
    const { lease, batch } = segment;
    const atomic = branch?.sink.capabilities.atomic === true; // then nothing of that write is stored
    const isWritten = !atomic && !isEarly && segment.pending === 1;
    const position = index > segment.from && isWritten ? batch.positionAt?.(index - 1) : undefined;
    if (position !== undefined) {
      const count = index - segment.from;
      const beginning: Segment = { ...segment, count, bytes: 0, position, pending: 0 };
      lease.tracker.insertBefore(segment, beginning);
      segment.from = index;
      segment.count -= count;
      this.#hub.finished(beginning);
    }
    segment.pending++; // never finished
    this.#hub.fail(stoppedBy(error, segment, index), 'drop');
  }
}
