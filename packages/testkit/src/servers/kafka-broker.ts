import type { Kafka, KafkaConfig } from 'kafkajs';
import { type ContainerServer, startContainer } from '../container-server.js';
import { serverImages } from '../images.js';
import type { Direction } from '../proxy-connection.js';
import { serverIn } from '../test-server.js';
import type { KafkaServer } from './kafka.js';
import { clusterId, type KafkaListener, kafkaSettings, settingsFile } from './kafka-settings.js';

/** What a broker in a container has besides its two plain listeners. */
export interface BrokerOptions {
  readonly settings: Readonly<Record<string, string>>;
  /** More listeners, past the proxy. */
  readonly listeners?: readonly KafkaListener[];
  /** More files in the container, by path. */
  readonly files?: Readonly<Record<string, string>>;
  /** In place of the image's own command, {@link brokerCommand}. */
  readonly command?: readonly string[];
}

/** Formats the storage if that was not done, and starts the broker. */
export const brokerCommand = '/etc/kafka/docker/run';

/** Past the proxy. */
export const direct: KafkaListener = { name: 'DIRECT', protocol: 'PLAINTEXT', port: 9092 };
const proxied: KafkaListener = { name: 'PROXIED', protocol: 'PLAINTEXT', port: 9094 };

/** Starts a broker in a container and waits until it works. */
export async function startBroker(
  options: BrokerOptions,
): Promise<{ server: KafkaServer; container: ContainerServer }> {
  const listeners = [direct, proxied, ...(options.listeners ?? [])];
  const container = await startContainer({
    name: 'kafka',
    image: serverImages.kafka,
    ports: listeners.map(({ port }) => port),
    proxiedPort: proxied.port,
    messageLength: kafkaMessageLength,
    correlationId: kafkaCorrelationId,
    env: { CLUSTER_ID: clusterId, KAFKA_HEAP_OPTS: '-Xms256m -Xmx256m' },
    command: options.command,
    files: ({ address, proxy }) => {
      const advertised = ({ port }: KafkaListener): string => (port === proxied.port ? proxy.address : address(port));
      return {
        ...options.files,
        [settingsFile]: kafkaSettings(listeners, advertised, options.settings),
      };
    },
    check: ({ address }) => checkBroker(address(direct.port)),
  });
  const { address } = container.proxy;
  const directBrokers = [container.address(direct.port)];
  const server: KafkaServer = {
    ...serverIn(container, address),
    brokers: [address],
    directBrokers,
    native: await nativeKafka({ brokers: directBrokers }),
  };
  return { server, container };
}

/** kafkajs, without a word on the console: what it cannot do it throws. */
export async function nativeKafka(config: KafkaConfig): Promise<Kafka> {
  const { default: kafkajs } = await import('kafkajs');
  return new kafkajs.Kafka({ clientId: 'sluice-testkit', logLevel: kafkajs.logLevel.NOTHING, ...config });
}

/** A broker works once the controller has registered it. */
async function checkBroker(broker: string): Promise<void> {
  const kafka = await nativeKafka({
    brokers: [broker],
    connectionTimeout: 1000,
    requestTimeout: 2000,
    retry: { retries: 0 },
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    const { brokers, controller } = await admin.describeCluster();
    if (brokers.length === 0 || controller === null) throw new Error('the broker is not registered yet');
  } finally {
    await admin.disconnect();
  }
}

/** A message of Kafka's protocol, request or answer, begins with the number of bytes that follow. */
function kafkaMessageLength(buffer: Buffer): number | undefined {
  return buffer.length < 4 ? undefined : 4 + buffer.readInt32BE(0);
}

/** Behind the length stands, in a request, what it asks for (4 bytes), and then in both the id that connects them. */
function kafkaCorrelationId(bytes: Buffer, direction: Direction): number {
  const at = direction === 'toServer' ? 8 : 4;
  // A connection may end in the middle of a message.
  return bytes.length < at + 4 ? -1 : bytes.readInt32BE(at);
}
