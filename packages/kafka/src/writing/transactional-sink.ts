import { randomUUID } from 'node:crypto';
import {
  BatchError,
  type Checkpoint,
  ConnectorError,
  type DriverContext,
  type SinkBatch,
  type SinkDriver,
} from '@sluice/core/driver';
import { CheckpointLog } from '../checkpoints/checkpoint-log.js';
import { checkpointBatch, positionKey, storedPosition } from '../checkpoints/checkpoint-record.js';
import { ensureCheckpointTopic } from '../checkpoints/checkpoint-topic.js';
import type { KafkaCluster } from '../connection/cluster.js';
import { orAborted } from '../connection/patience.js';
import type { TopicDirectory } from '../connection/topic-directory.js';
import { classifyKafkaError } from '../error.js';
import type { BatchEncoder, ProduceBatch } from '../records/batch-encoder.js';
import type { KafkaSinkSettings } from '../sink-config.js';
import { Delivery } from './delivery.js';
import { Transaction } from './transaction.js';

/** What a transactional sink works with. The cluster is closed with it. */
export interface TransactionalSinkSetup {
  readonly cluster: KafkaCluster;
  readonly directory: TopicDirectory;
  readonly encoder: BatchEncoder;
  readonly config: KafkaSinkSettings;
  readonly context: Pick<DriverContext, 'pipeline' | 'signal'>;
}

/** Makes sure that checkpoints can be kept. */
export async function openTransactionalSink(setup: TransactionalSinkSetup): Promise<SinkDriver> {
  await ensureCheckpointTopic(setup.cluster, setup.config.checkpointTopic, setup.context.signal);
  return new TransactionalSink(setup);
}

/** The transactional id under which a pipeline writes what comes from a source partition. */
export function transactionalId(pipeline: string, partition: string): string {
  return `sluice/${encodeURIComponent(pipeline)}/${partition}`;
}

/** What a write has for one transaction. */
interface Part {
  readonly transaction: Transaction;
  readonly batches: readonly ProduceBatch[];
  readonly delivery: Delivery;
}

/** Source partition of writes without a claim: dead letters, and sinks that are used without a pipeline. */
const unclaimed = '';

/**
 * Writes what comes from each source partition in transactions of its own, and its position with it. So instances of a
 * consumer group, each with some of the partitions, do not fence each other; and what a claim says of a partition is true of
 * that partition, also when a flush over several of them succeeded for some only.
 */
class TransactionalSink implements SinkDriver {
  readonly #setup: TransactionalSinkSetup;
  readonly #log: CheckpointLog;
  readonly #transactions = new Map<string, Transaction>();
  readonly #closing = new AbortController();
  /** Tries writes out in a transaction that is aborted: a record was refused, and Kafka cannot take back single records. */
  #trial: Transaction | undefined;
  #opening: Promise<Transaction> | undefined;

  constructor(setup: TransactionalSinkSetup) {
    this.#setup = setup;
    this.#log = new CheckpointLog(setup.cluster, setup.directory, setup.config.checkpointTopic);
  }

  async claim(partitions: readonly string[]): Promise<Checkpoint> {
    const { signal } = this.#closing;
    await this.#forgetOthers(new Set(partitions), signal);
    await Promise.all(
      partitions.map(async (partition) => {
        const known = this.#transactions.get(partition);
        const transaction = known ?? this.#transaction(transactionalId(this.#setup.context.pipeline, partition));
        this.#transactions.set(partition, transaction);
        await transaction.claim(signal);
      }),
    );
    if (partitions.length === 0) return {};
    const values = await this.#log.read(signal);
    const stored: Record<string, Checkpoint[string]> = {};
    for (const partition of partitions) {
      const text = values.get(positionKey(this.#setup.context.pipeline, partition));
      if (text !== undefined) stored[partition] = storedPosition(text, this.#log.topic);
    }
    return stored;
  }

  async write(batch: SinkBatch, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const parts = await orAborted(this.#encode(batch, signal), signal);
    const unsendable = parts.flatMap(({ delivery }) => delivery.failures);
    // Nothing is written yet, so the engine may write the others.
    if (unsendable.length > 0) throw new BatchError(unsendable.toSorted((a, b) => a.index - b.index));
    if (this.#trial !== undefined) await this.#tryOut(this.#trial, batch, signal);
    // Then a refusal takes nothing with it that was taken over before.
    const isAlone = parts.every(({ transaction }) => !transaction.begun);
    const sent = await Promise.allSettled(
      parts.map(({ transaction, batches, delivery }) => transaction.send(batches, delivery, signal)),
    );
    const [failure] = sent.flatMap((each) => {
      if (each.status === 'rejected') throw each.reason;
      return each.value;
    });
    if (failure === undefined) return;
    if (!isRefusal(failure.error)) throw failure.error;
    this.#trial = this.#transaction(`sluice/trial/${randomUUID()}`);
    if (isAlone) {
      await Promise.all(parts.map(({ transaction }) => transaction.end('abort', signal)));
      await this.#tryOut(this.#trial, batch, signal);
    }
    const text = 'a record was refused, so the open transactions are given up and written again without it';
    throw new ConnectorError('conflict', text, { cause: failure.error });
  }

  async flush(checkpoint: Checkpoint, signal: AbortSignal): Promise<void> {
    const begun = [...this.#transactions]
      .filter(([, transaction]) => transaction.begun)
      .map(([partition]) => partition);
    const partitions = new Set([...Object.keys(checkpoint), ...begun]);
    const ended = await Promise.allSettled(
      [...partitions].map((partition) => this.#commit(partition, checkpoint, signal)),
    );
    for (const each of ended) if (each.status === 'rejected') throw each.reason;
    this.#trial?.close();
    this.#trial = undefined;
  }

  async close(): Promise<void> {
    this.#closing.abort(new ConnectorError('closed', 'the sink was closed'));
    for (const transaction of this.#transactions.values()) transaction.close();
    this.#trial?.close();
    this.#setup.cluster.close();
  }

  async #commit(partition: string, checkpoint: Checkpoint, signal: AbortSignal): Promise<void> {
    const transaction = this.#transactions.get(partition);
    if (transaction === undefined) throw notClaimed(partition);
    const position = checkpoint[partition];
    if (position !== undefined) {
      const delivery = new Delivery();
      const key = positionKey(this.#setup.context.pipeline, partition);
      const batch = checkpointBatch(this.#log.topic, key, JSON.stringify(position), delivery);
      const [failure] = await transaction.send([batch], delivery, signal);
      if (failure !== undefined) throw failure.error;
    }
    await transaction.end('commit', signal);
  }

  async #encode({ messages, slices }: SinkBatch, signal: AbortSignal): Promise<Part[]> {
    const parts: Part[] = [];
    for (const { partition, from, to } of slices) {
      const transaction = this.#transactions.get(partition) ?? (await this.#begin(partition));
      const delivery = new Delivery();
      const batches = await this.#setup.encoder.encode({ messages, from, to, delivery }, signal);
      parts.push({ transaction, batches, delivery });
    }
    return parts;
  }

  /** Rejects with the messages that would be refused, while nothing of the write is part of a transaction that counts. */
  async #tryOut(trial: Transaction, { messages }: SinkBatch, signal: AbortSignal): Promise<void> {
    const delivery = new Delivery();
    await trial.claim(signal);
    const batches = await this.#setup.encoder.encode({ messages, from: 0, to: messages.length, delivery }, signal);
    const failures = await trial.send(batches, delivery, signal);
    await trial.end('abort', signal);
    const other = failures.find(({ error }) => !isRefusal(error));
    if (other !== undefined) throw other.error;
    if (failures.length > 0) throw new BatchError(failures);
  }

  /** Ends what is open of partitions that are not claimed: nothing that was not flushed may be committed later. */
  async #forgetOthers(claimed: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    for (const [partition, transaction] of this.#transactions) {
      if (claimed.has(partition) || !transaction.begun) continue;
      this.#transactions.delete(partition);
      // When it cannot be aborted now, whoever claims the partition next or the broker's timeout does it.
      await transaction.end('abort', signal).catch(() => undefined);
      transaction.close();
    }
  }

  /** The transaction of writes that nobody has to go on with, so nobody has to be fenced. */
  async #begin(partition: string): Promise<Transaction> {
    if (partition !== unclaimed) throw notClaimed(partition);
    this.#opening ??= (async () => {
      const transaction = this.#transaction(
        `sluice/${encodeURIComponent(this.#setup.context.pipeline)}//${randomUUID()}`,
      );
      await transaction.claim(this.#closing.signal);
      this.#transactions.set(unclaimed, transaction);
      return transaction;
    })().finally(() => {
      this.#opening = undefined;
    });
    return await this.#opening;
  }

  #transaction(id: string): Transaction {
    const { cluster, directory, config } = this.#setup;
    const { transactionTimeoutMs, maxRequestBytes } = config;
    return new Transaction(id, { cluster, directory, transactionTimeoutMs, maxRequestBytes });
  }
}

function isRefusal(error: unknown): boolean {
  const code = classifyKafkaError(error)?.code;
  return code === 'message_invalid' || code === 'message_too_large';
}

function notClaimed(partition: string): ConnectorError {
  return new ConnectorError('internal', `source partition "${partition}" was not claimed before it was written`);
}
