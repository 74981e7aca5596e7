import type { FaultProxy } from '../fault-proxy.js';
import { breakRequests, type FaultWatch } from '../request-fault.js';

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
): FaultWatch {
  return breakRequests(proxy, {
    // Behind the length stands the request's key.
    matches: (bytes) => bytes.readInt16BE(4) === apiKeys[request],
    lose: fault === 'lose-request' ? 'request' : 'answer',
    times,
  });
}
