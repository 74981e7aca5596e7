import { brokerError } from '../connection/broker-error.js';
import type { KafkaCluster } from '../connection/cluster.js';
import { patiently } from '../connection/patience.js';
import type { ProducerIdentity } from './record-writer.js';

/** An identity of its own, by which a broker recognises batches that come again. Any broker gives one. */
export async function newIdentity(cluster: KafkaCluster): Promise<ProducerIdentity> {
  const connection = await cluster.any();
  const fields = { transactionalId: null, transactionTimeout: 0 };
  const { errorCode, producerId, producerEpoch } = await connection.request('InitProducerId', fields);
  if (errorCode !== 0) throw brokerError(errorCode);
  return { id: BigInt(producerId), epoch: producerEpoch };
}

/**
 * The identity of a transactional id in a new epoch. Whoever held it before is fenced, and a transaction that it left behind is
 * ended: committed when its commit had begun, else aborted. Resolves when that has reached every partition.
 */
export function claimIdentity(
  cluster: KafkaCluster,
  transactionalId: string,
  transactionTimeoutMs: number,
  signal: AbortSignal,
): Promise<ProducerIdentity> {
  return patiently(cluster.requestTimeoutMs, signal, async () => {
    const connection = await cluster.connection(
      await cluster.coordinator('transaction', transactionalId),
      'transaction',
    );
    const fields = { transactionalId, transactionTimeout: transactionTimeoutMs };
    const { errorCode, producerId, producerEpoch } = await connection.request('InitProducerId', fields);
    if (errorCode !== 0) throw brokerError(errorCode);
    return { id: BigInt(producerId), epoch: producerEpoch };
  });
}
