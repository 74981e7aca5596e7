import { type Classified, type Classify, type ErrorCode, isConnectorError } from '@sluice/core/driver';

/** What errors of Kafka, of kafkajs and of Node tell; texts that they lack are empty. */
interface KafkaFailure {
  readonly message: string;
  /** Name of the code in the protocol: `MESSAGE_TOO_LARGE`. */
  readonly type: string;
  /** Node's code of a socket, TLS or look-up error. */
  readonly code: string;
  readonly broker: string;
  readonly topic: string;
  readonly partition: number | undefined;
}

type Row = readonly [code: ErrorCode, explain: (failure: KafkaFailure) => string];

const moved: Row = ['not_connected', (e) => `${partitionOf(e)} is moving to another broker (${e.type})`];
const coordinator: Row = ['conflict', (e) => `the coordinator is not ready (${e.type})`];
const replicas: Row = [
  'resource_exhausted',
  (e) => `${partitionOf(e)} has fewer replicas in sync than min.insync.replicas; bring its brokers back`,
];
const fenced: Row = [
  'fenced',
  (e) => `a newer instance of this pipeline has taken over (${e.type}). Run one instance for each source partition`,
];
const lostSequence: Row = [
  'conflict',
  (e) => `the broker has lost track of this producer (${e.type}); it goes on under a new id`,
];
const lostMember: Row = ['lease_lost', (e) => `the group goes on without this member (${e.type})`];
const badRequest: Row = ['internal', (e) => `the broker did not understand a request (${e.type}: ${e.message})`];
const slow: Row = ['timeout', (e) => `the broker did not answer in time (${e.message})`];
const unsupported: Row = ['unsupported', (e) => `the broker does not support it (${e.type}); use Kafka 2.4 or newer`];
const certificate: Row = [
  'unauthenticated',
  (e) => `the broker's certificate is not accepted (${e.message}). Check tls.ca and tls.serverName`,
];
const refusedTls: Row = [
  'unauthenticated',
  (e) => `the TLS handshake failed (${e.message}). Check tls.cert and tls.key, and that this port speaks TLS`,
];
const noBroker: Row = ['not_connected', (e) => `${brokerOf(e)} cannot be reached (${e.code}: ${e.message})`];

/** By the protocol's name of the code: https://kafka.apache.org/protocol#protocol_error_codes */
const byType: Readonly<Record<string, Row>> = {
  OFFSET_OUT_OF_RANGE: [
    'position_lost',
    (e) => `the offset of ${partitionOf(e)} is not there any more. Set onPositionLost, or raise the topic's retention`,
  ],
  CORRUPT_MESSAGE: ['message_invalid', (e) => `${partitionOf(e)} refused the record as malformed`],
  UNKNOWN_TOPIC_OR_PARTITION: [
    'not_found',
    (e) => `${partitionOf(e)} does not exist. Create it, or check the name and the right to describe it`,
  ],
  UNKNOWN_TOPIC_ID: ['not_found', (e) => `${partitionOf(e)} was deleted and made again`],
  LEADER_NOT_AVAILABLE: moved,
  NOT_LEADER_FOR_PARTITION: moved,
  BROKER_NOT_AVAILABLE: moved,
  REPLICA_NOT_AVAILABLE: moved,
  FENCED_LEADER_EPOCH: moved,
  UNKNOWN_LEADER_EPOCH: moved,
  LISTENER_NOT_FOUND: moved,
  OFFSET_NOT_AVAILABLE: moved,
  KAFKA_STORAGE_ERROR: moved,
  NETWORK_EXCEPTION: moved,
  REQUEST_TIMED_OUT: ['timeout', (e) => `${partitionOf(e)} was not replicated in time`],
  MESSAGE_TOO_LARGE: [
    'message_too_large',
    (e) => `${partitionOf(e)} refused the message for its size. Raise max.message.bytes of the topic`,
  ],
  RECORD_LIST_TOO_LARGE: [
    'message_too_large',
    (e) => `${partitionOf(e)} refused the message for its size. Raise segment.bytes of the topic`,
  ],
  INVALID_RECORD: ['message_invalid', (e) => `${partitionOf(e)} refused the record: ${e.message}`],
  INVALID_TIMESTAMP: [
    'message_invalid',
    (e) => `${partitionOf(e)} refused the timestamp. See message.timestamp.before.max.ms and after.max.ms of the topic`,
  ],
  UNSUPPORTED_COMPRESSION_TYPE: ['unsupported', (e) => `${partitionOf(e)} does not take this compression`],
  INVALID_TOPIC_EXCEPTION: [
    'message_invalid',
    (e) => `${partitionOf(e)} cannot be: a topic has 1 to 249 letters, digits, ".", "_" and "-"`,
  ],
  NOT_ENOUGH_REPLICAS: replicas,
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: replicas,
  THROTTLING_QUOTA_EXCEEDED: ['rate_limited', () => 'the quota of this client is used up'],
  GROUP_LOAD_IN_PROGRESS: coordinator,
  GROUP_COORDINATOR_NOT_AVAILABLE: coordinator,
  NOT_COORDINATOR_FOR_GROUP: coordinator,
  NOT_CONTROLLER: coordinator,
  CONCURRENT_TRANSACTIONS: coordinator,
  UNSTABLE_OFFSET_COMMIT: coordinator,
  ILLEGAL_GENERATION: lostMember,
  UNKNOWN_MEMBER_ID: lostMember,
  REBALANCE_IN_PROGRESS: lostMember,
  FENCED_INSTANCE_ID: [
    'fenced',
    () => 'another member has the same groupInstanceId. Give every instance one of its own',
  ],
  GROUP_MAX_SIZE_REACHED: ['resource_exhausted', () => 'the group has as many members as the broker allows'],
  INCONSISTENT_GROUP_PROTOCOL: [
    'conflict',
    () =>
      'the other members of the group do not assign partitions cooperatively (cooperative-sticky), as this one does',
  ],
  INVALID_GROUP_ID: ['config_invalid', () => 'the broker refuses the groupId'],
  NON_EMPTY_GROUP: ['conflict', () => 'the group still has members; stop them first'],
  GROUP_ID_NOT_FOUND: ['not_found', () => 'the group does not exist'],
  INVALID_SESSION_TIMEOUT: [
    'config_invalid',
    () => 'sessionTimeoutMs is outside of what the broker allows (group.min and group.max.session.timeout.ms)',
  ],
  INVALID_TRANSACTION_TIMEOUT: [
    'config_invalid',
    () => 'transactionTimeoutMs is above what the broker allows (transaction.max.timeout.ms)',
  ],
  INVALID_REQUIRED_ACKS: ['config_invalid', () => 'the broker refuses the value of acks'],
  INVALID_REPLICATION_FACTOR: ['config_invalid', (e) => `the topic cannot be created: ${e.message}`],
  INVALID_CONFIG: ['config_invalid', (e) => `the topic cannot be created: ${e.message}`],
  POLICY_VIOLATION: ['permission_denied', (e) => `a policy of the cluster forbids it: ${e.message}`],
  TOPIC_AUTHORIZATION_FAILED: [
    'permission_denied',
    (e) => `${partitionOf(e)} may not be used by this user. Grant it READ for a source, WRITE for a sink, and DESCRIBE`,
  ],
  GROUP_AUTHORIZATION_FAILED: [
    'permission_denied',
    () => 'this user may not use the group. Grant it READ on the group',
  ],
  CLUSTER_AUTHORIZATION_FAILED: [
    'permission_denied',
    () => 'this user lacks a right on the cluster. Grant it IDEMPOTENT_WRITE, or CREATE where a topic has to be made',
  ],
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: [
    'permission_denied',
    () => 'this user may not write in transactions. Grant it WRITE and DESCRIBE on transactional ids',
  ],
  SASL_AUTHENTICATION_FAILED: ['unauthenticated', (e) => `the broker refused the credentials: ${e.message}`],
  UNSUPPORTED_SASL_MECHANISM: ['unauthenticated', () => 'the broker does not offer this SASL mechanism'],
  ILLEGAL_SASL_STATE: ['unauthenticated', () => 'the broker wants SASL on this port. Check sasl and the port'],
  SECURITY_DISABLED: ['unsupported', () => 'the broker has no authorizer'],
  UNSUPPORTED_VERSION: unsupported,
  UNSUPPORTED_FOR_MESSAGE_FORMAT: unsupported,
  INVALID_REQUEST: badRequest,
  INVALID_FETCH_SIZE: badRequest,
  INVALID_PARTITIONS: badRequest,
  OUT_OF_ORDER_SEQUENCE_NUMBER: lostSequence,
  DUPLICATE_SEQUENCE_NUMBER: lostSequence,
  UNKNOWN_PRODUCER_ID: lostSequence,
  INVALID_PRODUCER_ID_MAPPING: fenced,
  INVALID_PRODUCER_EPOCH: fenced,
  PRODUCER_FENCED: fenced,
  TRANSACTION_COORDINATOR_FENCED: coordinator,
  INVALID_TXN_STATE: [
    'conflict',
    () => 'the transaction is over, most likely because it took longer than transactionTimeoutMs',
  ],
  TRANSACTION_ABORTABLE: ['conflict', () => 'the broker has given up the transaction'],
};

/** Codes that are newer than kafkajs, which tells them by number only. */
const newerTypes: Readonly<Record<string, string>> = {
  89: 'THROTTLING_QUOTA_EXCEEDED',
  90: 'PRODUCER_FENCED',
  100: 'UNKNOWN_TOPIC_ID',
  120: 'TRANSACTION_ABORTABLE',
};

/** By the `code` of Node's errors of sockets, name look-ups and TLS. */
const byCode: Readonly<Record<string, Row>> = {
  ECONNREFUSED: noBroker,
  ECONNRESET: noBroker,
  ECONNABORTED: noBroker,
  EPIPE: noBroker,
  ETIMEDOUT: noBroker,
  EHOSTUNREACH: noBroker,
  EHOSTDOWN: noBroker,
  ENETUNREACH: noBroker,
  ENETDOWN: noBroker,
  ENOTFOUND: noBroker,
  EAI_AGAIN: noBroker,
  EPROTO: refusedTls,
  EMFILE: ['resource_exhausted', () => 'this process has too many open files. Raise its limit (ulimit -n)'],
};

/** By the name of kafkajs's errors. */
const byName: Readonly<Record<string, Row>> = {
  KafkaJSConnectionError: ['not_connected', (e) => `${brokerOf(e)}: ${e.message}`],
  KafkaJSConnectionClosedError: ['not_connected', (e) => `${brokerOf(e)} closed the connection`],
  KafkaJSBrokerNotFound: ['not_connected', (e) => e.message],
  KafkaJSNoBrokerAvailableError: ['not_connected', (e) => e.message],
  KafkaJSRequestTimeoutError: slow,
  KafkaJSTimeout: slow,
  KafkaJSLockTimeout: slow,
  KafkaJSSASLAuthenticationError: ['unauthenticated', (e) => `the broker refused the credentials: ${e.message}`],
  KafkaJSServerDoesNotSupportApiKey: unsupported,
  KafkaJSNotImplemented: ['unsupported', (e) => e.message],
};

/** The table from errors of Kafka, kafkajs and Node to codes. One that has a code already keeps it. */
export const classifyKafkaError: Classify = (error: unknown): Classified | undefined => {
  if (isConnectorError(error)) return { code: error.code, message: error.message };
  let found: Classified | undefined;
  // The innermost cause that the table knows is the reason; kafkajs wraps it once it has given up.
  for (let each = error, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth++)
    found = rowFor(each) ?? found;
  return found;
};

/** The protocol's name of an error's code, such as `MESSAGE_TOO_LARGE`; undefined when it has none. */
export function protocolTypeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('type' in error) || typeof error.type !== 'string') return undefined;
  if (error.type !== 'KAFKAJS_UNKNOWN_ERROR_CODE') return error.type;
  return newerTypes[/\d+$/.exec(error.message)?.[0] ?? ''] ?? error.type;
}

function rowFor(error: Error): Classified | undefined {
  const failure = failureOf(error);
  const { type, code } = failure;
  const row = byType[type] ?? byCode[code] ?? tlsRow(code) ?? byName[error.name];
  return row && { code: row[0], message: row[1](failure) };
}

function failureOf(error: Error): KafkaFailure {
  const text = (name: string): string => {
    const value: unknown = Reflect.get(error, name);
    return typeof value === 'string' ? value : '';
  };
  const partition: unknown = Reflect.get(error, 'partition');
  return {
    message: error.message,
    type: protocolTypeOf(error) ?? '',
    code: text('code'),
    broker: text('broker'),
    topic: text('topic'),
    partition: typeof partition === 'number' ? partition : undefined,
  };
}

/** OpenSSL has too many codes for a table; their form tells what they are about. */
function tlsRow(code: string): Row | undefined {
  if (/^(?:CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|ERR_TLS_CERT)/.test(code)) return certificate;
  return /^ERR_(?:SSL|TLS|OSSL)_/.test(code) ? refusedTls : undefined;
}

function partitionOf({ topic, partition }: KafkaFailure): string {
  if (topic === '') return 'the topic or partition';
  return partition === undefined ? `topic "${topic}"` : `partition ${partition} of topic "${topic}"`;
}

function brokerOf({ broker }: KafkaFailure): string {
  return broker === '' ? 'the broker' : `broker ${broker}`;
}
