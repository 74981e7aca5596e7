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

/** How far one call of write has come. */
interface Call {
  waiting: readonly Indexed[];
  /** Taken over by a sink that flushes, and not durable yet. */
  staged: Indexed[];
  readonly failures: BatchFailure[];
  oneByOne: boolean;
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
      {
        pipeline: name,
        id: 'sink',
        metrics: stats.driverMetrics('sink', sink.connector.name),
        notice: () => undefined,
      },
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
    const call: Call = {
      waiting: flow.messages.map((message, at) => ({ message, index: flow.origins?.[at] ?? at })),
      staged: [],
      failures,
      oneByOne: false,
    };
    const backoff = new Backoff(this.#retry);
    while (call.waiting.length > 0 || call.staged.length > 0) {
      try {
        await this.#prepare();
        if (call.waiting.length > 0) await this.#writeNext(call);
        else await this.#flush(call);
      } catch (error) {
        await this.#waitToRetry(error, backoff);
      }
    }
    if (failures.length > 0) throw new BatchError(failures.sort((a, b) => a.index - b.index));
  }

  #steps(): Parameters<typeof runSteps>[1] {
    const { codec } = this.#sink.options;
    if (this.#sink.capabilities.payload === 'bytes') return [encodeStep(codecOf(codec ?? 'json'))];
    return codec === undefined ? [] : [decodeStep(codecOf(codec))];
  }

  /** Writes as much as fits into one write. */
  async #writeNext(call: Call): Promise<void> {
    const { limits, preferred } = this.#sink.capabilities;
    const maxMessages = call.oneByOne ? 1 : (limits?.maxMessages ?? preferred.maxMessages);
    const size = { maxMessages, maxBytes: limits?.maxBytes ?? Number.POSITIVE_INFINITY };
    const [first] = cutAtLimits(
      call.waiting.map(({ message }) => message),
      size,
    );
    const chunk = call.waiting.slice(0, first?.to);
    const messages = chunk.map(({ message }) => message);
    try {
      await this.#session.write({
        messages,
        slices: [{ partition: '', from: 0, to: messages.length, position: undefined }],
      });
    } catch (thrown) {
      if (thrown instanceof BatchError) return this.#takeBatchError(call, chunk, thrown);
      return this.#takeError(call, chunk, thrown);
    }
    this.#takenOver(call, chunk);
  }

  #takenOver(call: Call, messages: readonly Indexed[]): void {
    const taken = new Set(messages);
    call.waiting = call.waiting.filter((each) => !taken.has(each));
    if (this.#session.flushes) call.staged.push(...messages);
  }

  #takeBatchError(call: Call, chunk: readonly Indexed[], { failures }: BatchError): void {
    const failed = new Map(failures.map(({ index, error }) => [chunk[index], error as ConnectorError])); // the session has wrapped it
    for (const [message, error] of failed) {
      if (message === undefined || error.outcome !== 'invalid') continue;
      call.failures.push({ index: message.index, error });
      call.waiting = call.waiting.filter((each) => each !== message);
    }
    // An atomic sink has stored nothing of the write, any other one all but what it names.
    if (!this.#sink.capabilities.atomic)
      this.#takenOver(
        call,
        chunk.filter((each) => !failed.has(each)),
      );
    const lasting = [...failed.values()].find(({ outcome }) => outcome !== 'invalid');
    if (lasting !== undefined) throw lasting;
  }

  #takeError(call: Call, chunk: readonly Indexed[], thrown: unknown): void {
    const [only] = chunk;
    if (isConnectorError(thrown) && thrown.outcome === 'invalid' && only !== undefined) {
      // Nobody says which message it is, so they are written one by one from here on.
      if (chunk.length > 1) call.oneByOne = true;
      else {
        call.failures.push({ index: only.index, error: thrown });
        call.waiting = call.waiting.slice(1);
      }
      return;
    }
    this.#unstage(call);
    throw thrown;
  }

  async #flush(call: Call): Promise<void> {
    try {
      await this.#session.flush({});
      call.staged = [];
    } catch (error) {
      this.#unstage(call);
      throw error;
    }
  }

  /** What was taken over and not flushed counts as not written: a claim makes an atomic sink forget it. */
  #unstage(call: Call): void {
    call.waiting = [...call.staged, ...call.waiting].sort((a, b) => a.index - b.index);
    call.staged = [];
    this.#claimed = false;
  }

  async #waitToRetry(thrown: unknown, backoff: Backoff): Promise<void> {
    const error = thrown as ConnectorError; // the session throws nothing else where this is called
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
