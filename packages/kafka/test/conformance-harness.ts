import type {
  Carries,
  Harness,
  NativeMessage,
  SecuredKafkaServer,
  SinkHarness,
  SourceHarness,
  SourcePlace,
} from '@sluice/testkit';
import { createTopic, serverFaults, startSecuredKafka, uniqueName } from '@sluice/testkit';
import type { Admin } from 'kafkajs';
import { kafka } from '../src/connector.js';
import type { KafkaSinkConfig } from '../src/sink-config.js';
import type { KafkaSourceConfig } from '../src/source-config.js';
import { joinAsThief } from './group-thief.js';
import { headersInOrder, orderedHeaders } from './ordered-headers.js';
import { readTopic } from './read-topic.js';

/** Which mode of the connector is tested. */
export interface KafkaMode {
  readonly source?: Partial<KafkaSourceConfig>;
  readonly sink?: Partial<KafkaSinkConfig>;
  /** Whether the source is a member of a group. */
  readonly grouped?: boolean;
}

const carries: Carries = {
  key: true,
  headers: 'repeated',
  timestamp: true,
  nullPayload: true,
  emptyPayload: true,
  anyByte: true,
  maxPayloadBytes: 1_000_000,
};

const wrongPassword = 'wrong-horse-staple';
const sessionTimeoutMs = 2000;
/** Short times for what takes long by default. */
const quickSource = { refreshIntervalMs: 200, maxWaitMs: 100 };
/** Less than the suite lets the engine wait. */
const patience = { connectTimeoutMs: 1000, requestTimeoutMs: 1000 };
const quickGroup = { sessionTimeoutMs, heartbeatIntervalMs: 200 };
/**
 * The messages of the suite are older than what a topic keeps by default, and than what it puts into one segment with the markers of
 * transactions, which bear the time of today: a reader never gets two segments in one answer.
 */
const keepsAll = { 'retention.ms': '-1', 'segment.ms': String(Number.MAX_SAFE_INTEGER) };

/** A broker with the native clients that tests prepare and look with. */
interface Broker {
  readonly server: SecuredKafkaServer;
  readonly admin: Admin;
}

let running: Promise<Broker> | undefined;
let harnesses = 0;

/** The harness of one mode. All of them use one broker, because they take turns; it stops with the last one. */
export async function openKafkaHarness(mode: KafkaMode): Promise<Harness> {
  harnesses += 1;
  running ??= startBroker();
  const broker = await running;
  const { server } = broker;
  return {
    connector: kafka.descriptor,
    module: { url: import.meta.resolve('@sluice/kafka'), name: 'kafka' },
    ...(mode.source === undefined ? {} : { source: sourceHarness(broker, mode.source, mode.grouped === true) }),
    ...(mode.sink === undefined ? {} : { sink: sinkHarness(broker, mode.sink) }),
    faults: serverFaults(server),
    secrets: [wrongPassword],
    async close() {
      harnesses -= 1;
      if (harnesses === 0) await stopBroker(broker);
    },
  };
}

async function startBroker(): Promise<Broker> {
  const server = await startSecuredKafka();
  const admin = server.native.admin();
  await admin.connect();
  return { server, admin };
}

async function stopBroker({ server, admin }: Broker): Promise<void> {
  await admin.disconnect();
  await server.stop();
}

function wrongConfigs(
  { server }: Broker,
  rest: object,
): Pick<SinkHarness, 'missing' | 'wrongCredentials' | 'unreachable'> {
  const sasl = { mechanism: 'plain', username: server.user.username, password: wrongPassword };
  return {
    missing: { config: { brokers: server.brokers, ...rest } },
    wrongCredentials: { config: { brokers: server.saslBrokers, sasl, ...rest } },
    // The port of the discard protocol, which nothing here speaks.
    unreachable: { config: { brokers: ['127.0.0.1:9'], ...rest } },
  };
}

function sourceHarness(broker: Broker, mode: Partial<KafkaSourceConfig>, grouped: boolean): SourceHarness {
  const { server } = broker;
  const group = (): Partial<KafkaSourceConfig> => (grouped ? { groupId: uniqueName('group'), ...quickGroup } : {});
  return {
    carries,
    ...wrongConfigs(broker, { topics: ['there-is-no-such-topic'], ...quickSource, ...patience, ...group(), ...mode }),
    livenessTimeoutMs: grouped ? sessionTimeoutMs : { because: 'no group watches who reads partitions by name' },
    createPlace: async (partitions) => {
      const topic = await createTopic(server, { partitions, settings: keepsAll });
      const config: KafkaSourceConfig = {
        brokers: server.brokers,
        topics: [topic],
        ...quickSource,
        ...patience,
        ...group(),
        ...mode,
      };
      return {
        config,
        partitions: Array.from({ length: partitions }, (_, index) => `${topic}-${index}`),
        ...topicHooks({ ...broker, topic, partitions }, config),
        remove: () => broker.admin.deleteTopics({ topics: [topic] }),
      };
    },
  };
}

interface Topic extends Broker {
  readonly topic: string;
  readonly partitions: number;
}

function topicHooks(
  { server, admin, topic, partitions }: Topic,
  { groupId, bounded }: KafkaSourceConfig,
): Omit<SourcePlace, 'config' | 'partitions' | 'remove'> {
  const noGroup = { because: 'without a group Kafka knows nothing of who reads' };
  const numberOf = (partition: string): number => Number(partition.slice(topic.length + 1));
  let count = partitions;
  return {
    async produce(messages, partition = `${topic}-0`) {
      // A new one each time: a producer fails when a topic of its past is gone, and does not look for new partitions.
      const producer = server.native.producer({ allowAutoTopicCreation: false });
      await producer.connect();
      for (const some of portions(messages)) {
        await producer.send({
          topic,
          messages: some.map((message) => ({ ...nativeRecord(message), partition: numberOf(partition) })),
        });
      }
      await producer.disconnect();
    },
    committed:
      groupId === undefined
        ? noGroup
        : async (partition) => {
            const [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
            const offset = found?.partitions.find((each) => each.partition === numberOf(partition))?.offset;
            return Math.max(0, Number(offset ?? 0));
          },
    async discard(partition, count) {
      // As with the producer; and it deletes only in a topic that it has looked up before.
      const eraser = server.native.admin();
      await eraser.connect();
      await eraser.fetchTopicOffsets(topic);
      const partitions = [{ partition: numberOf(partition), offset: String(count) }];
      await eraser.deleteTopicRecords({ topic, partitions });
      await eraser.disconnect();
    },
    addPartition: bounded
      ? { because: 'a bounded source reads the partitions that are there when it is opened' }
      : async () => {
          await admin.createPartitions({ topicPartitions: [{ topic, count: ++count }] });
          return `${topic}-${count - 1}`;
        },
    takeAway:
      groupId === undefined || bounded
        ? { because: 'without a group that goes on nobody takes partitions' }
        : (partition) => joinAsThief(server.native, { groupId, topic, partition: numberOf(partition) }),
  };
}

function nativeRecord({ key, payload, headers, timestamp }: NativeMessage) {
  return {
    key: key === undefined || key === null ? null : Buffer.from(key),
    value: payload === null ? null : Buffer.from(payload),
    ...(headers === undefined ? {} : { headers: orderedHeaders(headers) }),
    ...(timestamp === undefined ? {} : { timestamp: String(timestamp) }),
  };
}

/** Below what a broker takes in one batch. */
const portionBytes = 500_000;

function portions(messages: readonly NativeMessage[]): NativeMessage[][] {
  const found: NativeMessage[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const message of messages) {
    const size = (message.payload?.length ?? 0) + 200;
    if (bytes + size > portionBytes) {
      found.push([]);
      bytes = 0;
    }
    bytes += size;
    found.at(-1)?.push(message);
  }
  return found;
}

/** What is stored with the largest payload of the suite: its key and headers, and the frames of record and record batch. */
const surroundingBytes = 121;
const endTransaction = 26;
const produce = 0;

function sinkHarness(broker: Broker, mode: Partial<KafkaSinkConfig>): SinkHarness {
  const { server } = broker;
  return {
    carries,
    ...wrongConfigs(broker, { topic: 'there-is-no-such-topic', ...patience, ...mode }),
    refused: () => ({ payload: Buffer.alloc(2 * 1024 * 1024, 'x') }),
    // A request begins with its length and the number of its API.
    isCommitRequest: (bytes) => Buffer.from(bytes).readInt16BE(4) === (mode.transactional ? endTransaction : produce),
    createPlace: async () => {
      const largest = { 'max.message.bytes': String(carries.maxPayloadBytes + surroundingBytes) };
      const topic = await createTopic(server, { settings: { ...keepsAll, ...largest } });
      return {
        config: { brokers: server.brokers, topic, checkpointTopic: `${topic}-checkpoints`, ...patience, ...mode },
        remove: () => broker.admin.deleteTopics({ topics: [topic] }),
        stored: async () =>
          (await readTopic(server, topic)).map((records) =>
            records.map(
              ({ key, value, timestamp, headers }): NativeMessage => ({
                payload: value,
                key,
                headers: headersInOrder(headers),
                timestamp: Number(timestamp),
              }),
            ),
          ),
      };
    },
  };
}
