import type { Clock } from '../clock.js';
import type { DriverContext } from '../connector.js';
import { ConnectorError, type ErrorCode } from '../error.js';
import type { Sink } from '../sink.js';
import { BatchError, type Checkpoint, type SinkBatch, type SinkDriver } from '../sink-driver.js';
import { Backoff } from './backoff.js';
import { openDriver } from './open-driver.js';
import { errorWrapper, type WrapError } from './part-error.js';
import type { Plan } from './plan.js';
import { settles } from './sleep.js';

/** How long a call may take to end after it was aborted, and a close at all, before the driver counts as hung. */
const graceMs = 1000;
const closeMs = 5000;

type SessionPlan = Pick<Plan, 'clock' | 'retry' | 'timeoutMs' | 'openTimeoutMs'>;

/** What a session tells whoever runs it. */
export interface SessionEvents {
  retrying(error: ConnectorError, attempt: number, delayMs: number): void;
}

/**
 * One open sink driver, opened again when it breaks. Bounds every call in time and wraps its errors. Repeats no write: that
 * is decided where the messages are known.
 */
export class SinkSession {
  /** The connection is gone or a call hangs: nothing can be done before {@link reopen}. */
  broken = false;
  readonly wrap: WrapError;
  readonly #sink: Sink;
  readonly #plan: SessionPlan;
  readonly #context: Omit<DriverContext, 'signal'>;
  readonly #events: SessionEvents;
  readonly #stop: AbortSignal;
  readonly #clock: Clock;
  readonly #calls = new Set<AbortController>();
  #driver: SinkDriver | undefined;
  #flushes = false;

  constructor(
    sink: Sink,
    plan: SessionPlan,
    context: Omit<DriverContext, 'signal'>,
    events: SessionEvents,
    stop: AbortSignal,
  ) {
    this.#sink = sink;
    this.#plan = plan;
    this.#context = context;
    this.#events = events;
    this.#stop = stop;
    this.#clock = plan.clock;
    this.wrap = errorWrapper(sink);
  }

  /** Whether taken-over messages need a flush to be durable; also while it is opened again. */
  get flushes(): boolean {
    return this.#flushes;
  }

  open(): Promise<void> {
    return this.#open(this.#plan.openTimeoutMs);
  }

  /** Closes the driver and opens it again, trying until it succeeds, fails for good, or the run stops. */
  async reopen(): Promise<void> {
    await this.close();
    await this.#open(undefined);
  }

  async #open(limitMs: number | undefined): Promise<void> {
    const descriptor = this.#sink.connector.sink;
    if (descriptor === undefined) throw new ConnectorError('unsupported', `${this.#sink.connector.name} has no sink`);
    this.#driver = await openDriver<SinkDriver>({
      open: async (signal) => descriptor.open(this.#sink.config, this.#sink.options, { ...this.#context, signal }),
      wrap: this.wrap,
      clock: this.#clock,
      backoff: new Backoff(this.#plan.retry),
      maxAttempts: this.#plan.retry.maxAttempts,
      limitMs,
      attemptMs: this.#plan.timeoutMs,
      stop: this.#stop,
      onRetry: (error, attempt, delayMs) => this.#events.retrying(error, attempt, delayMs),
    });
    this.broken = false;
    this.#flushes = this.#driver.flush !== undefined;
    const { atomic } = this.#sink.capabilities;
    if (atomic && (this.#driver.flush === undefined || this.#driver.claim === undefined)) {
      throw new ConnectorError(
        'internal',
        `${this.#sink.connector.name} sink says that it is atomic and has no flush or claim`,
      );
    }
  }

  /** @throws {BatchError | ConnectorError} */
  write(batch: SinkBatch): Promise<void> {
    const driver = this.#opened();
    return this.#call('write', (signal) => driver.write(batch, signal));
  }

  /** @throws {ConnectorError} */
  flush(checkpoint: Checkpoint): Promise<void> {
    const driver = this.#opened();
    return this.#call('flush', async (signal) => driver.flush?.(checkpoint, signal));
  }

  /** @throws {ConnectorError} */
  claim(partitions: readonly string[]): Promise<Checkpoint> {
    const driver = this.#opened();
    return this.#call('claim', async () => (await driver.claim?.(partitions)) ?? {});
  }

  #opened(): SinkDriver {
    if (this.#driver === undefined) throw new ConnectorError('closed', `${this.#sink.connector.name} sink is not open`);
    return this.#driver;
  }

  #call<T>(operation: string, action: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    this.#calls.add(controller);
    return new Promise<T>((resolve, reject) => {
      let late = false;
      let cancel = this.#clock.after(this.#plan.timeoutMs, () => {
        late = true;
        controller.abort();
        cancel = this.#clock.after(graceMs, () => {
          this.broken = true; // it may still take effect: only a fresh driver can be trusted
          this.#calls.delete(controller);
          reject(this.#timeout(operation));
        });
      });
      const settle = (): void => {
        cancel();
        this.#calls.delete(controller);
      };
      action(controller.signal).then(
        (value) => {
          settle();
          resolve(value);
        },
        (error: unknown) => {
          settle();
          reject(this.#failure(error, operation, late));
        },
      );
    });
  }

  #failure(thrown: unknown, operation: string, late: boolean): BatchError | ConnectorError {
    if (thrown instanceof BatchError) {
      return new BatchError(thrown.failures.map(({ index, error }) => ({ index, error: this.wrap(error, operation) })));
    }
    const error = this.wrap(thrown, operation);
    if (error.code === 'not_connected') this.broken = true;
    return late && error.outcome !== 'invalid' ? this.#timeout(operation) : error;
  }

  #timeout(operation: string): ConnectorError {
    const text = `no answer within ${this.#plan.timeoutMs / 1000} s`;
    return this.wrap(new ConnectorError('timeout' satisfies ErrorCode, text), operation);
  }

  /** Aborts whatever is under way. */
  abort(): void {
    for (const controller of this.#calls) controller.abort();
  }

  /** Never rejects: what a driver says while it closes changes nothing any more. */
  async close(): Promise<void> {
    const driver = this.#driver;
    this.#driver = undefined;
    this.abort();
    if (driver !== undefined) await settles(this.#clock, closeMs, driver.close());
  }
}
