import { systemClock } from '../clock.js';
import { codecOf } from '../codec/codecs.js';
import { ConnectorError, isConnectorError } from '../error.js';
import { createMessage, type Message } from '../message.js';
import type { OpenSink, OpenSinkSettings } from '../open-sink.js';
import type { Sink } from '../sink.js';
import { BatchError, type BatchFailure } from '../sink-driver.js';
import { Backoff } from './backoff.js';
import { Budget } from './budget.js';
import { decodeStep, encodeStep } from './codec-step.js';
import { Mutex } from './condition.js';
import { runSteps } from './flow.js';
import { givenUp, retriesForever } from './part-error.js';
import { cutAtLimits } from './piece.js';
import { retryDefaults } from './plan.js';
import { RunStats } from './run-stats.js';
import { SinkSession } from './sink-session.js';
import { sleep } from './sleep.js';

/** A message of one call, and its index there. */
interface Indexed {
  readonly index: number;
  readonly message: Message;
}

/** Opens a sink for writing without a pipeline. */
export async function openSink(sink: Sink, settings: OpenSinkSettings = {}): Promise<OpenSink> {
  const writer = new DirectWriter(sink, settings);
  await writer.open();
  const mutex = new Mutex();
  return {
    write: (messages) => mutex.run(() => writer.write(messages)),
    close: () => mutex.run(() => writer.close()),
  };
}

class DirectWriter {
  readonly #sink: Sink;
  readonly #settings: OpenSinkSettings;
  readonly #session: SinkSession;
  readonly #stop = new AbortController();
  readonly #retry: typeof retryDefaults;
  readonly #onAbort = (): void => this.#stop.abort();
  #closed = false;
  #claimed = false;

  constructor(sink: Sink, settings: OpenSinkSettings) {
    this.#sink = sink;
    this.#settings = settings;
    this.#retry = { ...retryDefaults, ...settings.retry };
    const clock = settings.clock ?? systemClock;
    const name = settings.name ?? sink.connector.name;
    const stats = new RunStats(name, new Budget({ maxBytes: 1, maxMessages: 1 }));
    this.#session = new SinkSession(
      sink,
      { clock, retry: this.#retry, timeoutMs: settings.timeoutMs ?? 30_000, openTimeoutMs: 30_000 },
      { pipeline: name, id: 'sink', metrics: stats.driverMetrics('sink', sink.connector.name), notice: () => undefined },
      { retrying: (error, attempt, delayMs) => settings.onRetry?.(error, attempt, delayMs) },
      this.#stop.signal,
    );
  }

  async open(): Promise<void> {
    this.#settings.signal?.addEventListener('abort', this.#onAbort);
    if (this.#settings.signal?.aborted) this.#stop.abort();
    await this.#session.open();
    const backoff = new Backoff(this.#retry);
    while (!this.#claimed) await this.#prepare().catch((error: unknown) => this.#waitToRetry(error, backoff));
  }

  async write(partial: readonly Partial<Message>[]): Promise<void> {
    if (this.#closed) throw new ConnectorError('closed', `${this.#sink.connector.name} sink is closed`);
    const failures: BatchFailure[] = [];
    const flow = await runSteps({ messages: partial.map(createMessage), origins: undefined }, this.#steps(), failures);
    let waiting: readonly Indexed[] = flow.messages.map((message, at) => ({ message, index: flow.origins?.[at] ?? at }));
    const backoff = new Backoff(this.#retry);
    while (waiting.length > 0) {
      const attempt = await this.#attempt(waiting);
      failures.push(...attempt.refused);
      waiting = attempt.again;
      if (attempt.error !== undefined) await this.#waitToRetry(attempt.error, backoff);
    }
    if (failures.length > 0) throw new BatchError(failures.sort((a, b) => a.index - b.index));
  }

  #steps(): Parameters<typeof runSteps>[1] {
    const { codec } = this.#sink.options;
    if (this.#sink.capabilities.payload === 'bytes') return [encodeStep(codecOf(codec ?? 'json'))];
    return codec === undefined ? [] : [decodeStep(codecOf(codec))];
  }

  /** Writes and flushes; what a sink with flush took over before a failure is written again. */
  async #attempt(waiting: readonly Indexed[]): Promise<Attempt> {
    const { limits, preferred, atomic } = this.#sink.capabilities;
    const refused: BatchFailure[] = [];
    let written = 0;
    let end = 0;
    try {
      await this.#prepare();
      const size = { maxMessages: limits?.maxMessages ?? preferred.maxMessages, maxBytes: limits?.maxBytes ?? Number.POSITIVE_INFINITY };
      for (const { from, to } of cutAtLimits(waiting.map(({ message }) => message), size)) {
        const chunk = waiting.slice(from, to);
        end = to;
        await this.#writeChunk(chunk);
        written = to;
      }
      await this.#session.flush({});
      return { refused, again: [], error: undefined };
    } catch (thrown) {
      if (thrown instanceof BatchError) return this.#afterBatchError(waiting, { from: written, to: end }, thrown);
      if (!isConnectorError(thrown)) throw thrown;
      const taken = this.#session.flushes || atomic ? 0 : written;
      return { refused, again: waiting.slice(taken), error: thrown };
    }
  }

  #writeChunk(chunk: readonly Indexed[]): Promise<void> {
    const messages = chunk.map(({ message }) => message);
    return this.#session.write({ messages, slices: [{ partition: '', from: 0, to: messages.length, position: undefined }] });
  }

  #afterBatchError(waiting: readonly Indexed[], chunk: { readonly from: number; readonly to: number }, thrown: BatchError): Attempt {
    const refused: BatchFailure[] = [];
    const refusedAt = new Set<number>();
    const failedAt = new Set<number>();
    let error: ConnectorError | undefined;
    for (const { index, error: cause } of thrown.failures) {
      const failed = waiting[chunk.from + index];
      const reason = cause as ConnectorError; // the session has wrapped it
      if (failed === undefined) continue;
      failedAt.add(chunk.from + index);
      if (reason.outcome === 'invalid') {
        refused.push({ index: failed.index, error: reason });
        refusedAt.add(chunk.from + index);
      } else error ??= reason;
    }
    // Before a flush nothing is durable, so all but the refused is written again; else only what was not taken over.
    const unflushed = this.#session.flushes || this.#sink.capabilities.atomic;
    const again = waiting.filter((_, at) => !refusedAt.has(at) && (unflushed || failedAt.has(at) || at >= chunk.to));
    return { refused, again, error };
  }

  async #waitToRetry(thrown: unknown, backoff: Backoff): Promise<void> {
    const error = thrown as ConnectorError; // the session throws nothing else where this is called
    this.#claimed = false;
    if (error.outcome !== 'retryable' || this.#stop.signal.aborted) throw error;
    const delayMs = backoff.next(error.retryAfterMs);
    if (!retriesForever(error) && backoff.attempts >= this.#retry.maxAttempts) {
      throw givenUp(error, `gave up after ${backoff.attempts} attempts`);
    }
    this.#settings.onRetry?.(error, backoff.attempts, delayMs);
    await sleep(this.#settings.clock ?? systemClock, delayMs, this.#stop.signal);
  }

  /** An atomic sink forgets with a claim what was taken over and not flushed, so that nothing is stored twice. */
  async #prepare(): Promise<void> {
    if (this.#session.broken) {
      this.#claimed = false;
      await this.#session.reopen();
    }
    if (!this.#claimed && this.#sink.capabilities.atomic) await this.#session.claim([]);
    this.#claimed = true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#settings.signal?.removeEventListener('abort', this.#onAbort);
    await this.#session.close();
  }
}

interface Attempt {
  readonly refused: readonly BatchFailure[];
  readonly again: readonly Indexed[];
  readonly error: ConnectorError | undefined;
}
