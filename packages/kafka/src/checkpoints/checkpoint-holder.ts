import { randomUUID } from 'node:crypto';
import { type Checkpoint, ConnectorError } from '@sluice/core/driver';
import { classifyKafkaError } from '../error.js';
import { Delivery } from '../writing/delivery.js';
import type { Transaction } from '../writing/transaction.js';
import type { CheckpointLog } from './checkpoint-log.js';
import { checkpointBatch, checkpointKey, type HeldCheckpoint, heldCheckpoint } from './checkpoint-record.js';

/** What a holder works with. */
export interface HolderSetup {
  readonly pipeline: string;
  readonly log: CheckpointLog;
  readonly transaction: Transaction;
  readonly signal: AbortSignal;
}

/**
 * One holder of a pipeline's checkpoint. Its name stands in the record beside the checkpoint, because the epoch of a
 * transactional id fences, but cannot be raised again after a lost answer without fencing whoever may have come since: so a
 * holder looks first whether the record is still its own.
 */
export class CheckpointHolder {
  readonly #setup: HolderSetup;
  readonly #name = randomUUID();
  #inDoubt = false;

  constructor(setup: HolderSetup) {
    this.#setup = setup;
  }

  /** Takes over and gives what is stored. */
  async claim(): Promise<Checkpoint> {
    const { transaction, signal } = this.#setup;
    await transaction.claim(signal);
    const { checkpoint } = await readCheckpoint(this.#setup);
    await this.#write(checkpoint);
    return checkpoint;
  }

  /** Replaces the checkpoint; durable when it resolves. Rejects with `fenced` when there is another holder. */
  async save(checkpoint: Checkpoint): Promise<void> {
    if (this.#inDoubt) await this.#recover();
    try {
      await this.#write(checkpoint);
    } catch (error) {
      this.#inDoubt = true;
      if (classifyKafkaError(error)?.code !== 'fenced') throw error;
      await this.#recover();
      await this.#write(checkpoint);
    }
  }

  /** Raises the epoch, so that nothing that is still under way is stored later. Asks before and after who the holder is. */
  async #recover(): Promise<void> {
    const { transaction, signal } = this.#setup;
    await this.#requireOwn();
    await transaction.claim(signal);
    await this.#requireOwn();
    this.#inDoubt = false;
  }

  async #requireOwn(): Promise<void> {
    const { holder } = await readCheckpoint(this.#setup);
    if (holder === this.#name) return;
    const { pipeline } = this.#setup;
    const text = `a newer instance has claimed the checkpoint of pipeline "${pipeline}". Run one instance only`;
    throw new ConnectorError('fenced', text);
  }

  async #write(checkpoint: Checkpoint): Promise<void> {
    const { pipeline, log, transaction, signal } = this.#setup;
    const delivery = new Delivery();
    const value = JSON.stringify({ holder: this.#name, checkpoint } satisfies HeldCheckpoint);
    const batch = checkpointBatch(log.topic, checkpointKey(pipeline), value, delivery);
    const [failure] = await transaction.send([batch], delivery, signal);
    if (failure !== undefined) throw failure.error;
    await transaction.end('commit', signal);
  }
}

/** The checkpoint that is stored for a pipeline, and by whom; an empty one when there is none. */
export async function readCheckpoint({
  pipeline,
  log,
  signal,
}: Pick<HolderSetup, 'pipeline' | 'log' | 'signal'>): Promise<HeldCheckpoint> {
  const text = (await log.read(signal)).get(checkpointKey(pipeline));
  return text === undefined ? { holder: '', checkpoint: {} } : heldCheckpoint(text, log.topic);
}
