import type { Message } from './message.js';

/** How {@link Sink.open} is to open. */
export interface OpenSinkSettings {
  /** Ends waiting and writing. */
  readonly signal?: AbortSignal;
  /** Names the writer outside. Default: the connector's name. */
  readonly name?: string;
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
