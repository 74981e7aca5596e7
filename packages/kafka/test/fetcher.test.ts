import { expect, test, vi } from 'vitest';
import type { KafkaCluster } from '../src/connection/cluster.js';
import type { TopicTable } from '../src/connection/topic-table.js';
import type { FetchAnswer } from '../src/reading/fetch-answer.js';
import { Fetcher } from '../src/reading/fetcher.js';
import { PartitionReader } from '../src/reading/partition-reader.js';
import { readOptions } from './source-world.js';

const partition = { topic: 't', partition: 0 };
const nothingNew: FetchAnswer = { clientSideThrottleTime: 0, errorCode: 0, partitions: [] };

test('goes on when a look-up on another account has found no leader for a while', async () => {
  let leader: number | undefined = 1;
  let asked = 0;
  // What a fetcher uses of them.
  const topics = {
    leaderOf: () => leader,
    refresh: async () => {
      leader = 1;
    },
  } as unknown as TopicTable;
  const connection = {
    request: async () => {
      asked += 1;
      // As told by a broker that shuts down.
      if (asked === 1) leader = undefined;
      return nothingNew;
    },
  };
  const cluster = { connection: () => Promise.resolve(connection) } as unknown as KafkaCluster; // see above
  const stop = new AbortController();
  const settings = { isolation: 'read_committed', maxWaitMs: 10, minBytes: 1 } as const;
  const fetcher = new Fetcher(cluster, topics, settings, stop.signal);
  const options = readOptions({ signal: stop.signal });
  const reader = new PartitionReader({
    partition,
    from: 0,
    end: undefined,
    committedOnly: true,
    patienceMs: 60_000,
    options,
  });
  fetcher.add(reader);
  const next = reader.read(fetcher.wake).next();
  await vi.waitFor(() => expect(asked).toBeGreaterThan(1));
  stop.abort();
  expect((await next).done).toBe(true);
});
