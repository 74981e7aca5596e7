import { codecOf } from '../codec/codecs.js';
import type { ConnectorError } from '../error.js';
import { BatchError, type BatchFailure } from '../sink-driver.js';
import { Backoff } from './backoff.js';
import { encodeStep } from './codec-step.js';
import { Condition } from './condition.js';
import { type DeadLetter, deadLetterMessage } from './dead-letter.js';
import { runSteps } from './flow.js';
import type { Hub } from './hub.js';
import { givenUp, retriesForever } from './part-error.js';
import { cutAtLimits } from './piece.js';
import type { DeadLetterPlan } from './plan.js';
import type { SinkSession } from './sink-session.js';
import { sleep } from './sleep.js';

const noLimit = Number.POSITIVE_INFINITY;

interface Waiting {
  readonly letter: DeadLetter;
  readonly onDurable: () => void;
}

/** Stores dead letters, in order, and tells when each is durable. Tries again until they are, or the run ends. */
export class DeadLetterWriter {
  readonly plan: DeadLetterPlan;
  readonly part: string;
  readonly session: SinkSession;
  readonly changed: Condition = new Condition();
  /** What waits is not stored any more: the run ends. */
  failed = false;
  readonly #hub: Hub;
  #waiting: Waiting[] = [];
  #working = false;
  #claimed = false;

  constructor(hub: Hub, plan: DeadLetterPlan, part: string, session: SinkSession) {
    this.#hub = hub;
    this.plan = plan;
    this.part = part;
    this.session = session;
  }

  /** Opens the sink. A claim that may succeed later is left to the first dead letter. */
  async open(): Promise<void> {
    await this.session.open();
    await this.#prepare().catch((error: unknown) => {
      if (reasonOf(error).outcome !== 'retryable') throw error;
    });
  }

  add(letter: DeadLetter, onDurable: () => void): void {
    this.#waiting.push({ letter, onDurable });
    if (!this.#working && !this.failed) {
      this.#working = true;
      void this.#work();
    }
  }

  get idle(): boolean {
    return this.#waiting.length === 0 || this.failed;
  }

  async #work(): Promise<void> {
    const backoff = new Backoff(this.#hub.plan.retry);
    while (this.#waiting.length > 0 && !this.failed) {
      const letters = this.#waiting.slice(0, this.plan.sink.capabilities.preferred.maxMessages);
      try {
        await this.#store(letters.map(({ letter }) => letter));
        this.#waiting = this.#waiting.slice(letters.length);
        for (const { onDurable } of letters) onDurable();
        if (backoff.attempts > 0) this.#hub.recovered(this.part);
        backoff.reset();
      } catch (thrown) {
        await this.#tryLater(reasonOf(thrown), backoff);
      }
      this.changed.notify();
    }
    this.#working = false;
    this.changed.notify();
  }

  async #store(letters: readonly DeadLetter[]): Promise<void> {
    await this.#prepare();
    const { sink } = this.plan;
    const steps = sink.capabilities.payload === 'bytes' ? [encodeStep(codecOf(sink.options.codec ?? 'json'))] : [];
    const failures: BatchFailure[] = [];
    const encoded = await runSteps({ messages: letters.map(deadLetterMessage), origins: undefined }, steps, failures);
    // A letter that cannot be written is none: nothing may pass it.
    if (failures.length > 0) throw new BatchError(failures);
    const { limits } = sink.capabilities;
    for (const { from, to } of cutAtLimits(encoded.messages, { maxMessages: noLimit, maxBytes: noLimit, ...limits })) {
      await this.session.write({
        messages: encoded.messages.slice(from, to),
        slices: [{ partition: '', from: 0, to: to - from, position: undefined }],
      });
    }
    await this.session.flush({});
  }

  async #tryLater(error: ConnectorError, backoff: Backoff): Promise<void> {
    this.#claimed = false;
    const delayMs = backoff.next(error.retryAfterMs);
    const exhausted = !retriesForever(error) && backoff.attempts >= this.#hub.plan.retry.maxAttempts;
    if (error.outcome !== 'retryable' || exhausted || this.#hub.stopping) {
      this.failed = true;
      if (!this.#hub.stopping)
        this.#hub.fail(givenUp(error, 'a dead letter could not be stored, so nothing may pass it'), 'drop');
      return;
    }
    this.#hub.degraded(this.part, error, backoff.attempts, delayMs);
    await sleep(this.#hub.plan.clock, delayMs, this.#hub.stopSignal);
  }

  /**
   * An atomic sink forgets with a claim what it took over and has not flushed, so that nothing is stored twice when it is
   * repeated.
   */
  async #prepare(): Promise<void> {
    if (this.session.broken) {
      this.#claimed = false;
      await this.session.reopen();
    }
    if (!this.#claimed && this.plan.sink.capabilities.atomic) await this.session.claim([]);
    this.#claimed = true;
  }
}

function reasonOf(thrown: unknown): ConnectorError {
  // The session throws nothing but these two.
  return thrown instanceof BatchError ? (thrown.failures[0]?.error as ConnectorError) : (thrown as ConnectorError);
}
