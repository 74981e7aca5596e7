import type { Message } from './message.js';
import type { Position } from './source-driver.js';

/** The messages of one source partition inside a {@link SinkBatch}: `messages.slice(from, to)`. */
export interface BatchSlice {
  /** Source id and partition, as it stands in a {@link Checkpoint}. */
  readonly partition: string;
  readonly from: number;
  readonly to: number;
  /** The source position just after the slice; undefined when the slice ends inside a source batch. */
  readonly position: Position | undefined;
}

/** Messages to write together. May join several source partitions; the order inside each is kept. */
export interface SinkBatch {
  readonly messages: readonly Message[];
  readonly slices: readonly BatchSlice[];
}

/** A position with what is needed to refuse it where it does not belong. */
export interface StoredPosition {
  /** Name of the source's connector. */
  readonly connector: string;
  /** `positionVersion` of the source's descriptor. */
  readonly version: number;
  /** `identity` of the source's driver, null when it has none. */
  readonly identity: string | null;
  readonly position: Position;
}

/** Source id and partition (`orders:3`) to position. A JSON value; keep it as it is. */
export type Checkpoint = Readonly<Record<string, StoredPosition>>;

/**
 * Writes to one outside system. Implemented by connectors, called by the engine alone. A driver does not retry, log, batch,
 * reopen itself or wrap errors.
 */
export interface SinkDriver {
  /**
   * Takes the messages over: when it resolves, the engine may forget them. Without `flush` they are durable then. Rejects
   * with a {@link BatchError} that names the failed messages when the others were taken over (of an atomic sink: when none
   * was), and with any other error when none can be told apart. Retryable failures of one source partition must be the last
   * ones of that partition in the batch, or order is lost.
   */
  write(batch: SinkBatch, signal: AbortSignal): Promise<void>;
  /**
   * Makes everything taken over durable. An atomic sink stores the checkpoint in the same step. Never called while a write is
   * under way. The checkpoint holds the partitions that moved since the last flush; all others stay as they are stored, and it
   * is empty when nothing moved. After a failed flush the engine treats everything since the last successful one as not written.
   */
  flush?(checkpoint: Checkpoint, signal: AbortSignal): Promise<void>;
  /**
   * Atomic sinks: reads the stored positions of these partitions and raises their fence, in one step. From then on a write
   * or flush under an older fence rejects with `fenced`, and what was taken over but not flushed is gone, of every partition.
   * Called at the start of every lease, after a flush of all that was taken over, and after every failed flush: the answer
   * says whether the flush happened. Dead-letter sinks and sinks without a pipeline claim no partition (`[]`).
   */
  claim?(partitions: readonly string[]): Promise<Checkpoint>;
  /** Lets everything go. Idempotent. What was taken over but not flushed may or may not be durable. */
  close(): Promise<void>;
}

/** One message that a write failed on. */
export interface BatchFailure {
  /** Index into {@link SinkBatch.messages}. */
  readonly index: number;
  /** The native error or a `ConnectorError`. */
  readonly error: unknown;
}

/** Names the messages of a write that failed; all others were taken over. */
export class BatchError extends Error {
  override readonly name = 'BatchError';
  /** In order of index. */
  readonly failures: readonly BatchFailure[];

  constructor(failures: readonly BatchFailure[]) {
    super(`${failures.length} messages of the batch failed`);
    this.failures = failures;
  }
}
