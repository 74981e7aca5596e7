import { type BatchFailure, ConnectorError } from '@sluice/core/driver';
import { brokerError } from '../connection/broker-error.js';
import type { KafkaCluster } from '../connection/cluster.js';
import { mayPass } from '../connection/patience.js';
import type { TopicDirectory } from '../connection/topic-directory.js';
import { protocolTypeOf } from '../error.js';
import { PartitionQueue, type QueuedBatch } from '../reading/partition-queue.js';
import type { ProduceBatch } from '../records/batch-encoder.js';
import type { Delivery } from './delivery.js';
import { type ProduceAnswer, produceRequest } from './produce-request.js';
import { type ProducerIdentity, stampBatch } from './record-writer.js';
import { refusedPlaces, refusesRecords } from './refusal.js';

/** What a producer works with. */
export interface ProducerSetup {
  readonly cluster: KafkaCluster;
  readonly directory: TopicDirectory;
  readonly acks: 'all' | 'leader';
  readonly maxRequestBytes: number;
  readonly transactionalId: string | null;
  /** Who it is for the broker. Asked for when it begins and, where the last answer is in doubt for good, again. */
  identify(): Promise<ProducerIdentity>;
}

/** Requests under way to one broker. The broker answers them one after the other, so more would only wait there. */
const maxRequests = 5;
const firstPauseMs = 50;
const maxPauseMs = 1000;

/**
 * Sends batches to the brokers that lead their partitions: whatever is ready for one broker goes in one request, at most one
 * batch of each partition. What fails for a passing reason is sent again, unchanged and under the same number, until
 * `requestTimeoutMs` after its first time; what comes behind it waits.
 */
export class Producer {
  readonly #setup: ProducerSetup;
  readonly #queues = new Map<string, PartitionQueue>();
  readonly #ready = new Set<PartitionQueue>();
  readonly #requests = new Map<number, number>();
  #identity: Promise<ProducerIdentity> | undefined;
  #closed: Error | undefined;

  constructor(setup: ProducerSetup) {
    this.#setup = setup;
  }

  /**
   * Sends batches of one delivery and resolves with what failed, when nothing is under way any more. When a batch fails for
   * another reason than its records, or is given up, everything behind it in its partition fails too, and so does what comes
   * to that partition before the writer of the failed one can know. Batches are in their queues when this returns.
   */
  async send(
    batches: readonly ProduceBatch[],
    delivery: Delivery,
    signal: AbortSignal,
  ): Promise<readonly BatchFailure[]> {
    if (this.#closed !== undefined) throw this.#closed;
    for (const batch of batches) {
      delivery.expect(batch.indexes.length);
    }
    for (const batch of batches) {
      const queue = this.#queue(batch.topic, batch.partition);
      if (queue.barred === undefined) {
        queue.push(batch);
        this.#ready.add(queue);
      } else for (const index of batch.indexes) delivery.failed(index, queue.barred);
    }
    this.#pump();
    return await delivery.settled(signal, () => this.#abandon(batches, delivery));
  }

  /** Fails everything that waits. What is under way is not sent again. Idempotent. */
  close(reason: Error): void {
    this.#closed ??= reason;
    for (const queue of this.#queues.values()) this.#fail(queue, queue.drain(), reason);
  }

  #abandon(batches: readonly ProduceBatch[], delivery: Delivery): void {
    for (const queue of new Set(batches.map(({ topic, partition }) => this.#queue(topic, partition)))) {
      const reason = new ConnectorError('conflict', 'an earlier write to the same partition was given up');
      const behind = queue.drain(delivery);
      bar(queue, reason, [delivery, ...behind.map((batch) => batch.delivery)]);
      this.#fail(queue, behind, reason);
    }
  }

  #queue(topic: string, partition: number): PartitionQueue {
    const name = `${topic}/${partition}`;
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new PartitionQueue(topic, partition);
      this.#queues.set(name, queue);
    }
    return queue;
  }

  #pump(): void {
    const byLeader = new Map<number, PartitionQueue[]>();
    const bytes = new Map<number, number>();
    for (const queue of this.#ready) {
      if (!queue.ready) {
        this.#ready.delete(queue);
        continue;
      }
      const leader = this.#setup.directory.leader(queue.topic, queue.partition);
      if (leader === undefined) {
        const batch = queue.take();
        if (batch !== undefined) this.#again(queue, batch, brokerError(5, queue), false);
        continue;
      }
      if ((this.#requests.get(leader) ?? 0) >= maxRequests) continue;
      const size = (bytes.get(leader) ?? 0) + (queue.next?.bytes.length ?? 0);
      const together = byLeader.get(leader) ?? [];
      if (together.length > 0 && size > this.#setup.maxRequestBytes) continue;
      bytes.set(leader, size);
      byLeader.set(leader, [...together, queue]);
    }
    for (const [leader, queues] of byLeader) void this.#request(leader, queues);
  }

  async #request(leader: number, queues: readonly PartitionQueue[]): Promise<void> {
    const sent = new Map<PartitionQueue, QueuedBatch>();
    for (const queue of queues) {
      const batch = queue.take();
      if (batch !== undefined) sent.set(queue, batch);
      this.#ready.delete(queue);
    }
    if (sent.size === 0) return;
    this.#requests.set(leader, (this.#requests.get(leader) ?? 0) + 1);
    let onItsWay = false;
    try {
      await this.#stamp(sent);
      const { cluster, transactionalId, acks } = this.#setup;
      const connection = await cluster.connection(leader, 'produce');
      const settings = { transactionalId, acks: acks === 'all' ? -1 : 1, timeoutMs: cluster.requestTimeoutMs };
      onItsWay = true;
      const answer = await connection.send(produceRequest([...sent.values()], settings));
      // What produceRequest decodes.
      const { partitions } = answer as { readonly partitions: readonly ProduceAnswer[] };
      const answered = new Map(partitions.map((each) => [`${each.topic}/${each.partition}`, each]));
      for (const [queue, batch] of sent)
        this.#answered(queue, batch, answered.get(`${queue.topic}/${queue.partition}`));
    } catch (error) {
      for (const [queue, batch] of sent) this.#again(queue, batch, error, onItsWay);
    }
    this.#requests.set(leader, (this.#requests.get(leader) ?? 1) - 1);
    this.#pump();
  }

  async #stamp(sent: ReadonlyMap<PartitionQueue, QueuedBatch>): Promise<void> {
    const { transactionalId, cluster } = this.#setup;
    for (const [queue, batch] of sent) {
      queue.identity ??= await this.#identified();
      stampBatch(batch.bytes, queue.identity, queue.identity.id < 0n ? -1 : queue.sequence, transactionalId !== null);
      batch.until ??= performance.now() + cluster.requestTimeoutMs;
    }
  }

  #identified(): Promise<ProducerIdentity> {
    if (this.#identity !== undefined) return this.#identity;
    const identity = this.#setup.identify();
    this.#identity = identity;
    identity.catch(() => {
      if (this.#identity === identity) this.#identity = undefined;
    });
    return identity;
  }

  #answered(queue: PartitionQueue, batch: QueuedBatch, answer: ProduceAnswer | undefined): void {
    const { topic, partition } = queue;
    if (answer === undefined) {
      this.#again(queue, batch, brokerError(42, { topic, partition, reason: 'the broker left a partition out' }), true);
      return;
    }
    const error = brokerError(answer.errorCode, { topic, partition, reason: answer.errorMessage });
    const type = protocolTypeOf(error);
    if (answer.errorCode === 0 || type === 'DUPLICATE_SEQUENCE_NUMBER') {
      queue.stored(batch);
      if (queue.ready) this.#ready.add(queue);
      batch.delivery.arrived(batch.indexes.length);
    } else if (refusesRecords(type)) {
      void this.#takeApart(queue, batch, answer, error);
    } else {
      this.#again(queue, batch, error, type === 'NOT_ENOUGH_REPLICAS_AFTER_APPEND' || type === 'REQUEST_TIMED_OUT');
    }
  }

  /** Fails the records that were refused and sends the others, in halves where the broker does not tell which they are. */
  async #takeApart(queue: PartitionQueue, batch: QueuedBatch, answer: ProduceAnswer, error: Error): Promise<void> {
    const { refused, parts } = refusedPlaces(answer, batch.indexes.length);
    const made: ProduceBatch[] = [];
    try {
      for (const places of parts) made.push(await batch.again(places));
    } catch (cause) {
      this.#giveUp(queue, batch, cause);
      return;
    }
    queue.replace(batch, made);
    if (refused.length > 0) this.#failBehind(queue, batch.delivery);
    for (const { place, reason } of refused) {
      const index = batch.indexes[place];
      if (index === undefined) continue;
      const { topic, partition } = queue;
      batch.delivery.failed(
        index,
        reason === null ? error : brokerError(answer.errorCode, { topic, partition, reason }),
      );
    }
    if (this.#closed !== undefined) this.#fail(queue, queue.drain(), this.#closed);
    if (queue.ready) this.#ready.add(queue);
    this.#pump();
  }

  /** A write that fails has none behind it that succeeds, so what was written is what came before the first failure. */
  #failBehind(queue: PartitionQueue, delivery: Delivery): void {
    const reason = new ConnectorError('conflict', 'a message of an earlier write to the same partition was refused');
    const behind = queue.drainBehind(delivery);
    bar(queue, reason, [delivery, ...behind.map((batch) => batch.delivery)]);
    for (const { delivery: later, indexes } of behind) for (const index of indexes) later.failed(index, reason);
  }

  /** Sends a batch again after a pause, unless the reason will not pass or its time is over. */
  #again(queue: PartitionQueue, batch: QueuedBatch, error: unknown, inDoubt: boolean): void {
    batch.inDoubt ||= inDoubt;
    batch.until ??= performance.now() + this.#setup.cluster.requestTimeoutMs;
    const over = this.#closed !== undefined || batch.delivery.abandoned || performance.now() >= batch.until;
    if (over || !this.#mayPass(error)) {
      this.#giveUp(queue, batch, this.#closed ?? error);
      return;
    }
    // The broker does not know the numbers any more, so the batch goes on under new ones.
    if (lostTrack(error)) this.#startOver(queue);
    queue.putBack(batch);
    const pauseMs = Math.min(firstPauseMs * 2 ** batch.attempts++, maxPauseMs);
    const timer = setTimeout(() => {
      queue.cancelPause = undefined;
      if (queue.ready) this.#ready.add(queue);
      // A leader that is still not known is the reason for the next pause.
      void this.#setup.directory.find([queue.topic]).then(
        () => this.#pump(),
        () => this.#pump(),
      );
    }, pauseMs);
    queue.cancelPause = () => clearTimeout(timer);
  }

  #mayPass(error: unknown): boolean {
    if (lostTrack(error)) return this.#setup.transactionalId === null;
    // The leader has it already: only time can tell whether the others get it.
    return mayPass(error) || protocolTypeOf(error) === 'NOT_ENOUGH_REPLICAS_AFTER_APPEND';
  }

  #giveUp(queue: PartitionQueue, batch: QueuedBatch, error: unknown): void {
    queue.sending = undefined;
    if (batch.inDoubt || lostTrack(error)) this.#startOver(queue);
    // What was behind an abandoned batch has failed with it; what is there now came later.
    const isOld = batch.delivery.abandoned && this.#closed === undefined;
    if (!isOld) this.#fail(queue, [batch, ...queue.drain()], error);
    if (queue.ready) this.#ready.add(queue);
  }

  /** The partition goes on under a new identity; the others keep theirs. */
  #startOver(queue: PartitionQueue): void {
    queue.startOver();
    this.#identity = undefined;
  }

  #fail(queue: PartitionQueue, batches: readonly QueuedBatch[], error: unknown): void {
    if (batches.some(({ inDoubt }) => inDoubt)) this.#startOver(queue);
    bar(
      queue,
      error,
      batches.map(({ delivery }) => delivery),
    );
    for (const { delivery, indexes } of batches) for (const index of indexes) delivery.failed(index, error);
  }
}

/** Refuses whatever comes to a partition until the writers of what has failed there know of it. */
function bar(queue: PartitionQueue, error: unknown, deliveries: readonly Delivery[]): void {
  if (deliveries.length === 0) return;
  const barred = error instanceof Error ? error : new Error(String(error));
  queue.barred = barred;
  const lift = (): void => {
    if (queue.barred === barred) queue.barred = undefined;
  };
  // A turn of the event loop later, because the writers hear of it in microtasks.
  void Promise.all(deliveries.map(({ ended }) => ended)).then(() => setImmediate(lift));
}

const forgotten = new Set(['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID', 'INVALID_PRODUCER_EPOCH']);

function lostTrack(error: unknown): boolean {
  return forgotten.has(protocolTypeOf(error) ?? '');
}
