import { type BatchFailure, ConnectorError } from '@sluice/core/driver';
import { brokerError } from '../connection/broker-error.js';
import type { KafkaCluster } from '../connection/cluster.js';
import { mayPass, patiently } from '../connection/patience.js';
import type { TopicDirectory } from '../connection/topic-directory.js';
import { groupByTopic, partitionName, type TopicPartition } from '../connection/topic-partition.js';
import { classifyKafkaError } from '../error.js';
import type { ProduceBatch } from '../records/batch-encoder.js';
import type { Delivery } from './delivery.js';
import { Producer } from './producer.js';
import { claimIdentity } from './producer-identity.js';
import { noIdentity, type ProducerIdentity } from './record-writer.js';

/** What a transaction works with. */
export interface TransactionSetup {
  readonly cluster: KafkaCluster;
  readonly directory: TopicDirectory;
  readonly transactionTimeoutMs: number;
  readonly maxRequestBytes: number;
}

/**
 * The transactions of one transactional id, one after the other. After a failure nothing more can be done with it until it is
 * claimed again, which ends what was begun.
 */
export class Transaction {
  readonly id: string;
  readonly #setup: TransactionSetup;
  #identity: ProducerIdentity = noIdentity;
  #producer: Producer | undefined;
  /** Partitions that the coordinator knows to be written to. */
  readonly #joined = new Set<string>();
  #begunAt = 0;
  #failure: unknown;

  constructor(id: string, setup: TransactionSetup) {
    this.id = id;
    this.#setup = setup;
  }

  /** Something was written and not committed. */
  get begun(): boolean {
    return this.#joined.size > 0;
  }

  /** Fences whoever held the id, this object included, and ends what was left open. */
  async claim(signal: AbortSignal): Promise<void> {
    const { cluster, directory, transactionTimeoutMs, maxRequestBytes } = this.#setup;
    this.close();
    this.#identity = await claimIdentity(cluster, this.id, transactionTimeoutMs, signal);
    const identify = async (): Promise<ProducerIdentity> => this.#identity;
    this.#producer = new Producer({
      cluster,
      directory,
      acks: 'all',
      maxRequestBytes,
      transactionalId: this.id,
      identify,
    });
    this.#failure = undefined;
  }

  /** Sends batches as part of the transaction, which begins with the first of them. Resolves with what failed. */
  async send(
    batches: readonly ProduceBatch[],
    delivery: Delivery,
    signal: AbortSignal,
  ): Promise<readonly BatchFailure[]> {
    return await this.#guarded(async (producer) => {
      await this.#join(batches, signal);
      const failures = await producer.send(batches, delivery, signal);
      return failures.map(({ index, error }) => ({ index, error: this.#explained(error) }));
    });
  }

  /** Ends the transaction. When this fails, whether a commit happened is not known until the next claim. */
  async end(outcome: 'commit' | 'abort', signal: AbortSignal): Promise<void> {
    if (!this.begun) return;
    await this.#guarded(async () => {
      const { cluster } = this.#setup;
      const fields = { ...this.#fields(), transactionResult: outcome === 'commit' };
      await this.#asked(signal, async () => {
        const connection = await cluster.connection(await cluster.coordinator('transaction', this.id), 'transaction');
        const { errorCode } = await once(() => connection.request('EndTxn', fields));
        if (errorCode !== 0) throw brokerError(errorCode);
      });
      this.#joined.clear();
    });
  }

  /** Lets go of what is under way. The broker ends an open transaction when it is claimed again, or after its timeout. */
  close(): void {
    this.#producer?.close(new ConnectorError('closed', 'the transaction was given up'));
    this.#producer = undefined;
    this.#joined.clear();
  }

  async #join(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void> {
    const { cluster } = this.#setup;
    const fresh = partitions.filter((each) => !this.#joined.has(partitionName(each)));
    if (fresh.length === 0) return;
    const unique = [...new Map(fresh.map((each) => [partitionName(each), each])).values()];
    const topics = groupByTopic(unique).map((group) => ({
      topic: group.topic,
      partitions: group.partitions.map(({ partition }) => partition),
    }));
    if (!this.begun) this.#begunAt = performance.now();
    await this.#asked(signal, async () => {
      const connection = await cluster.connection(await cluster.coordinator('transaction', this.id), 'transaction');
      const { errors } = await connection.request('AddPartitionsToTxn', { ...this.#fields(), topics });
      for (const { topic, partitionErrors } of errors) {
        // The others are told that they were not tried.
        const named = partitionErrors.toSorted((a, b) => Number(a.errorCode === 55) - Number(b.errorCode === 55));
        for (const { errorCode, partition } of named)
          if (errorCode !== 0) throw brokerError(errorCode, { topic, partition });
      }
    });
    for (const each of unique) this.#joined.add(partitionName(each));
  }

  /** Asks the coordinator, which is not ready for some time after it moved and until the transaction before is complete. */
  async #asked(signal: AbortSignal, ask: () => Promise<void>): Promise<void> {
    try {
      await patiently(this.#setup.cluster.requestTimeoutMs, signal, ask);
    } catch (error) {
      throw error instanceof UnknownOutcome ? error.reason : error;
    }
  }

  async #guarded<T>(action: (producer: Producer) => Promise<T>): Promise<T> {
    if (this.#producer === undefined || this.#failure !== undefined)
      throw new ConnectorError('conflict', 'the transaction has failed before', { cause: this.#failure });
    try {
      return await action(this.#producer);
    } catch (error) {
      this.#failure = error;
      throw this.#explained(error);
    }
  }

  /** To be fenced by the coordinator for being late looks like being fenced by somebody else. */
  #explained(error: unknown): unknown {
    const lateBy = performance.now() - this.#begunAt - this.#setup.transactionTimeoutMs;
    if (!this.begun || lateBy < 0 || classifyKafkaError(error)?.code !== 'fenced') return error;
    const text = 'the transaction took longer than transactionTimeoutMs, so the broker has aborted it';
    return new ConnectorError('conflict', text, { cause: error });
  }

  #fields(): { transactionalId: string; producerId: string; producerEpoch: number } {
    return { transactionalId: this.id, producerId: String(this.#identity.id), producerEpoch: this.#identity.epoch };
  }
}

/** A failure after which it is not known whether the broker did what was asked. */
class UnknownOutcome extends Error {
  /** Not a cause, which would say that the failure may pass. */
  readonly reason: unknown;

  constructor(reason: unknown) {
    super('the outcome is not known');
    this.reason = reason;
  }
}

/** Hides a failure of the connection from whoever would try again: an end with an unknown outcome is settled by a claim. */
async function once<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw mayPass(error) ? new UnknownOutcome(error) : error;
  }
}
