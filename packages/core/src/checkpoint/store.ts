import type { Checkpoint } from '../sink-driver.js';

/** Keeps the checkpoints of pipelines whose position nobody else keeps. */
export interface CheckpointStore {
  /** Where it keeps them, for people: `file .sluice/checkpoints`. */
  readonly description: string;
  /** Whether a checkpoint survives the end of the process. */
  readonly durable: boolean;
  /** Reads without claiming, also while a pipeline runs. Empty when nothing was saved. */
  load(pipeline: string): Promise<Checkpoint>;
  /**
   * Takes the pipeline's checkpoint over.
   *
   * @throws {ConnectorError} `fenced` when another process holds it and the store refuses a second one
   * @throws {ConnectorError} `position_lost` when what is stored is damaged; the text names it and says what to do
   */
  claim(pipeline: string): Promise<CheckpointClaim>;
  /** Releases all claims. Idempotent. */
  close(): Promise<void>;
}

/** One holder's right to move a pipeline's checkpoint. */
export interface CheckpointClaim {
  /** As it was stored when it was claimed. */
  readonly checkpoint: Checkpoint;
  /**
   * Stores the whole checkpoint, replacing the one before; durable when it resolves.
   *
   * @throws {ConnectorError} `fenced` when a newer claim exists
   */
  save(checkpoint: Checkpoint): Promise<void>;
  /** Lets another claim. Idempotent. */
  release(): Promise<void>;
}
