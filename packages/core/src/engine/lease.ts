import type { ConnectorError } from '../error.js';
import type { StoredPosition } from '../sink-driver.js';
import type { Position, SourceBatch, SourceDriver } from '../source-driver.js';
import { AckTracker, type Tracked } from './ack-tracker.js';
import type { SourcePlan } from './plan.js';

/** The messages of one source batch, or of its beginning, on their way to the sinks. */
export interface Segment extends Tracked {
  readonly lease: Lease;
  readonly batch: SourceBatch;
  /** Index in the batch of the first message. */
  from: number;
  /** How many messages the run had received before its batch. */
  readonly receivedBefore: number;
  /** Source messages of which a dead letter exists already, each with the branch that refused it. */
  readonly deadLettered: Set<string>;
}

/**
 * One stretch of holding one partition. Tracker, retries and late settlements belong to it and die with it, so that nothing
 * of an old lease ever reaches the driver.
 */
export class Lease {
  /** Source id and partition, as in a checkpoint. */
  readonly key: string;
  readonly source: SourcePlan;
  readonly partition: string;
  readonly driver: SourceDriver;
  readonly tracker: AckTracker<Segment> = new AckTracker();
  /** Aborted when reading is to end. */
  readonly stopReading: AbortController = new AbortController();
  /**
   * Its messages cannot be read again, so after a failed flush they are written again from memory; every other lease is
   * discarded and read again.
   */
  readonly retained: boolean;
  /** What was received of it and is not settled. */
  readonly unsettled: { messages: number; bytes: number } = { messages: 0, bytes: 0 };
  /** Messages of it that are in memory. */
  held = 0;
  /** Messages that became durable, where somebody other than the sink has to hear of it, and of how many that has heard. */
  durableMessages = 0;
  toldMessages = 0;
  /** Why the source was not told. */
  commitFailure: ConnectorError | undefined;
  /** The position up to which everything is durable, until the checkpoint has it. */
  durable: Position | undefined;
  iterator: AsyncIterator<SourceBatch> | undefined;
  /** It is being given up, after what was read is settled. */
  leaving = false;
  /** Resolves when nothing more is read; never rejects. */
  reading: Promise<void> = Promise.resolve();
  /** Nothing more will be read. */
  ended = false;
  /** It belongs to somebody else, or its driver is gone: nothing is committed any more. */
  lost = false;
  /** Its iterator was ended: nothing can be committed under it any more. */
  over = false;
  /** What was read and is not settled counts as never read. */
  discarded = false;
  /** Something that was read before a sink failed is to be read again, and nothing was settled since. */
  readsAgain = false;

  constructor(source: SourcePlan, partition: string, driver: SourceDriver) {
    this.source = source;
    this.partition = partition;
    this.driver = driver;
    this.key = `${source.id}:${partition}`;
    this.retained = source.owner === 'none';
  }

  /** Whether somebody has to hear what is durable, because the sink does not keep the position. */
  get isTold(): boolean {
    const { owner } = this.source;
    return owner === 'store' || (owner === 'source' && this.driver.commit !== undefined);
  }

  /** Whether everything that was read is settled; what a flush has taken is not before it has succeeded. */
  get isSettled(): boolean {
    return this.tracker.empty && this.unsettled.messages === 0;
  }

  /** Durable messages that come again unless whoever keeps the position hears of them. */
  get untold(): number {
    return this.durableMessages - this.toldMessages;
  }
}

/** A position as a checkpoint holds it. */
export function storedPosition({ source, driver }: Lease, position: Position): StoredPosition {
  const { connector } = source.source;
  return {
    connector: connector.name,
    version: connector.source?.positionVersion ?? 1,
    identity: driver.identity ?? null,
    position,
  };
}
