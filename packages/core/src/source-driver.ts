import type { Message } from './message.js';
import type { BatchFailure } from './sink-driver.js';

/**
 * A place in a partition, as a JSON value that only the driver understands. Reading from it means reading what comes after
 * it. Positions are stored, so a change of their shape needs a new `positionVersion` in the descriptor.
 */
export type Position = null | boolean | number | string | readonly Position[] | { readonly [name: string]: Position };

/** Messages of one partition, in order. */
export interface SourceBatch {
  /** At least one message, unless only the position moved (filtered or control records), when it is empty. */
  readonly messages: readonly Message[];
  /** The position just after the last message. */
  readonly position: Position;
  /** What the batch's buffers hold, in bytes. The engine charges it to the memory budget until the messages are durable. */
  readonly bytes: number;
  /**
   * Messages that the driver could not make sense of (a broken row, a line above the limit), by index into `messages`, in
   * order. Their payload is the original bytes as far as they are known. The engine makes them invalid.
   */
  readonly failures?: readonly BatchFailure[];
  /** How much was waiting behind this batch when it was read, in the unit that the capabilities name. */
  readonly lag?: number;
  /**
   * The position just after `messages[index]`. Computed on demand; without it the batch settles only as a whole.
   */
  positionAt?(index: number): Position;
}

/** How {@link SourceDriver.read} is to read. */
export interface ReadOptions {
  /** Upper bound for the messages of one batch; a hint where the system cuts its own batches. */
  readonly maxMessages: number;
  /** Upper bound for the bytes of one batch; one larger message passes alone. */
  readonly maxBytes: number;
  /** Aborted before the iterator is ended: a pending `next()` then ends or rejects within a second. Stops fetching only. */
  readonly signal: AbortSignal;
  /** Where to start instead, when the stored position is lost and the user chose to go on. Position is then undefined. */
  readonly start?: 'earliest' | 'latest';
}

/**
 * Reads one outside system. Implemented by connectors, called by the engine alone. A driver does not retry, log, batch,
 * reopen itself or wrap errors, and bounds what it buffers while nobody pulls.
 */
export interface SourceDriver {
  /** What tells this system from another of its kind (cluster id, system identifier). A stored position of another one is refused. */
  readonly identity?: string;
  /**
   * The set of partitions held now, with a new set at every change. When a partition leaves the set the engine stops its
   * read, flushes, commits, ends its iterator, and only then asks for the next set: asking is the permission to let go.
   * When the iterable ends, the last set stays. Absent: there is one partition, named "".
   */
  partitions?(signal: AbortSignal): AsyncIterable<readonly string[]>;
  /**
   * Batches from just after `position`, one iterable per lease. `undefined` means where the config says to start or, when
   * the outside system keeps the position, where it stands. Ending the iterator gives back what was not committed: the next
   * `read` delivers it again. A bounded partition ends by itself; a partition that was lost without warning throws
   * `lease_lost`, and a position that is gone throws `position_lost`.
   */
  read(partition: string, position: Position | undefined, options: ReadOptions): AsyncIterable<SourceBatch>;
  /** Tells the system that everything up to `position` is stored downstream. In order, and one at a time. */
  commit?(partition: string, position: Position): Promise<void>;
  /** Lets everything go. Idempotent. */
  close(): Promise<void>;
}
