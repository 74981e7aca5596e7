import type { CheckpointStore } from './checkpoint/store.js';
import type { Clock } from './clock.js';
import type { Message } from './message.js';
import type { PipelineEvent } from './pipeline-definition.js';
import type { Position } from './source-driver.js';

/** How {@link Source.read} is to read. */
export interface ReadSettings {
  /** Ends the loop. */
  readonly signal?: AbortSignal;
  /** Names the reader in the checkpoint store and outside. Default: the connector's name. */
  readonly name?: string;
  /** Keeps positions that the outside system does not keep. Left out, such a source starts from its config every time. */
  readonly checkpoints?: CheckpointStore;
  /** Told what happens, as it happens. Must not throw. */
  readonly onEvent?: (event: PipelineEvent) => void;
  /** Replaced in tests. */
  readonly clock?: Clock;
}

/** Messages of one partition, to be handled and then committed. */
export interface ReadBatch {
  readonly partition: string;
  readonly messages: readonly Message[];
  /** The position just after the last message. */
  readonly position: Position;
  /**
   * Settles everything that was read up to here, of every partition; resolves when the outside system or the store has it. What
   * may pass is tried again.
   *
   * @throws {ConnectorError} `not_connected`, `timeout` or `lease_lost` when the source has not heard of it: its messages come
   * again, and the loop goes on; any other code ends the loop
   */
  commit(): Promise<void>;
}
