import type { CheckpointClaim, CheckpointStore } from '@sluice/core';
import { type Checkpoint, ConnectorError, isConnectorError, wrapError } from '@sluice/core/driver';
import { openCluster } from '../client.js';
import type { KafkaCluster } from '../connection/cluster.js';
import { TopicDirectory } from '../connection/topic-directory.js';
import { classifyKafkaError } from '../error.js';
import type { KafkaOptions } from '../options.js';
import { Transaction } from '../writing/transaction.js';
import { CheckpointHolder, readCheckpoint } from './checkpoint-holder.js';
import { CheckpointLog } from './checkpoint-log.js';
import type { KafkaCheckpointsSettings } from './checkpoint-store.js';
import { ensureCheckpointTopic } from './checkpoint-topic.js';

/** A crashed holder's transaction has one small record in it, and the next claim ends it at once. */
const transactionTimeoutMs = 60_000;
const maxRequestBytes = 1_000_000;

/** A checkpoint store that is connected while something is claimed or read: a program ends by itself when its pipelines have. */
export function topicCheckpoints(settings: KafkaCheckpointsSettings, options: KafkaOptions): CheckpointStore {
  const closing = new AbortController();
  const { signal } = closing;
  let opening: Promise<KafkaCluster> | undefined;
  const claims = new Set<CheckpointClaim>();

  let users = 0;
  const enter = async (): Promise<KafkaCluster> => {
    if (signal.aborted) throw new ConnectorError('closed', 'the checkpoint store was closed');
    users += 1;
    try {
      opening ??= openCluster(settings, options, signal);
      const cluster = await opening;
      await ensureCheckpointTopic(cluster, settings.topic, signal);
      return cluster;
    } catch (error) {
      leave();
      throw error;
    }
  };
  const leave = (): void => {
    users -= 1;
    if (users > 0) return;
    // Whoever has opened it hears of a failure.
    opening?.then((cluster) => cluster.close()).catch(() => undefined);
    opening = undefined;
  };

  return {
    description: `kafka topic ${settings.topic}`,
    durable: true,
    load: (pipeline) =>
      explained('load', async () => {
        const cluster = await enter();
        try {
          const log = new CheckpointLog(cluster, new TopicDirectory(cluster, false), settings.topic);
          return (await readCheckpoint({ pipeline, log, signal })).checkpoint;
        } finally {
          leave();
        }
      }),
    claim: (pipeline) =>
      explained('claim', async () => {
        const cluster = await enter();
        const directory = new TopicDirectory(cluster, false);
        const log = new CheckpointLog(cluster, directory, settings.topic);
        const id = `sluice/${encodeURIComponent(pipeline)}`;
        const transaction = new Transaction(id, { cluster, directory, transactionTimeoutMs, maxRequestBytes });
        const end = (): void => {
          transaction.close();
          leave();
        };
        try {
          const holder = new CheckpointHolder({ pipeline, log, transaction, signal });
          const claim = claimOf(holder, await holder.claim(), () => {
            if (claims.delete(claim)) end();
          });
          claims.add(claim);
          return claim;
        } catch (error) {
          end();
          throw error;
        }
      }),
    close: async () => {
      await Promise.all([...claims].map((claim) => claim.release()));
      closing.abort(new ConnectorError('closed', 'the checkpoint store was closed'));
      (await opening?.catch(() => undefined))?.close();
    },
  };
}

function claimOf(holder: CheckpointHolder, checkpoint: Checkpoint, onRelease: () => void): CheckpointClaim {
  let released = false;
  let last: Promise<unknown> = Promise.resolve();
  return {
    checkpoint,
    save: async (next) => {
      if (released) throw new ConnectorError('closed', 'the checkpoint was released. Claim it again before saving.');
      // Copied at once, so that what the caller changes later is not stored by accident.
      const copy = structuredClone(next);
      const save = last.then(() => explained('save', () => holder.save(copy)));
      // Its own caller hears of a failure; the next save only waits.
      last = save.catch(() => undefined);
      await save;
    },
    release: async () => {
      released = true;
      await last;
      onRelease();
    },
  };
}

async function explained<T>(operation: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw isConnectorError(error) && error.connector !== undefined
      ? error
      : wrapError(error, classifyKafkaError, { connector: 'kafka checkpoints', operation });
  }
}
