import type { Clock } from './clock.js';
import type { ConnectorError } from './error.js';
import type { Message } from './message.js';
import type { RetrySettings } from './pipeline-definition.js';

/** How {@link Sink.open} is to open. */
export interface OpenSinkSettings {
  /** Ends waiting and writing. */
  readonly signal?: AbortSignal;
  /** Names the writer outside. Default: the connector's name. */
  readonly name?: string;
  /** Default as in a pipeline. */
  readonly retry?: RetrySettings;
  /** How long one write or flush may take before it is aborted. Default 30,000. */
  readonly timeoutMs?: number;
  /** Told of every failure that is tried again. Must not throw. */
  readonly onRetry?: (error: ConnectorError, attempt: number, delayMs: number) => void;
  /** Replaced in tests. */
  readonly clock?: Clock;
}

/** An open sink. */
export interface OpenSink {
  /**
   * Writes messages and resolves when they are durable. Fields that are left out are filled, failures that may pass are
   * retried with back-off, order is kept.
   *
   * @throws {BatchError} naming the messages that can never be written; all others are durable
   * @throws {ConnectorError} when the sink failed for good; which of the messages were written is then not known
   */
  write(messages: readonly Partial<Message>[]): Promise<void>;
  /** Waits for writes under way, then lets everything go. Idempotent. */
  close(): Promise<void>;
}
