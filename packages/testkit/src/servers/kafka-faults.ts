import type { FaultProxy } from '../fault-proxy.js';
import type { Verdict } from '../proxy-connection.js';

/** Requests of Kafka's protocol by name: the keys of https://kafka.apache.org/protocol.html#protocol_api_keys. */
const apiKeys = {
  Produce: 0,
  Fetch: 1,
  ListOffsets: 2,
  Metadata: 3,
  OffsetCommit: 8,
  OffsetFetch: 9,
  FindCoordinator: 10,
  JoinGroup: 11,
  Heartbeat: 12,
  LeaveGroup: 13,
  SyncGroup: 14,
  SaslHandshake: 17,
  ApiVersions: 18,
  CreateTopics: 19,
  DeleteTopics: 20,
  InitProducerId: 22,
  AddPartitionsToTxn: 24,
  AddOffsetsToTxn: 25,
  EndTxn: 26,
  TxnOffsetCommit: 28,
  DescribeConfigs: 32,
  SaslAuthenticate: 36,
} as const;

/** A request of Kafka's protocol. */
export type KafkaRequest = keyof typeof apiKeys;

/**
 * What happens to a request: `lose-request` resets the connection before the broker sees it; `lose-answer` lets the broker
 * do it and resets the connection when its answer comes, so that the client cannot know.
 */
export type KafkaFault = 'lose-request' | 'lose-answer';

/** A fault that waits for its request. */
export interface KafkaFaultWatch extends Disposable {
  /** How often it has struck. */
  readonly struck: number;
  /** Takes it out. */
  stop(): void;
}

/**
 * Breaks the connection at requests of one kind, `times` times (once by default), on whichever connection they come. Only
 * through a proxy that knows Kafka's messages, so not for TLS.
 *
 * @example A commit that has happened and that the client is not told of:
 * ```ts
 * using fault = breakKafka(server.proxy, { request: 'EndTxn', fault: 'lose-answer' });
 * ```
 */
export function breakKafka(
  proxy: FaultProxy,
  { request, fault, times = 1 }: { request: KafkaRequest; fault: KafkaFault; times?: number },
): KafkaFaultWatch {
  /** Requests whose answers are to be lost, as connection and correlation id. */
  const awaited = new Set<string>();
  let left = times;
  let struck = 0;
  const strike = (): Verdict => {
    struck++;
    return 'cut';
  };
  const stop = proxy.intercept(({ connection, direction, bytes }) => {
    // length (4), then in a request: api key (2), version (2), correlation id (4); in an answer: correlation id (4).
    if (direction === 'toClient') {
      return awaited.delete(`${connection}/${bytes.readInt32BE(4)}`) ? strike() : 'pass';
    }
    if (left === 0 || bytes.readInt16BE(4) !== apiKeys[request]) return 'pass';
    left--;
    if (fault === 'lose-request') return strike();
    awaited.add(`${connection}/${bytes.readInt32BE(8)}`);
    return 'pass';
  });
  return {
    get struck() {
      return struck;
    },
    stop,
    [Symbol.dispose]: stop,
  };
}
