import { until } from '../conformance/deadline.js';
import type { ContainerServer } from '../container-server.js';
import type { KafkaServer, StartKafkaOptions } from './kafka.js';
import { direct, startBroker } from './kafka-broker.js';
import { clusterId, lostBrokerSettings } from './kafka-settings.js';

/** A Kafka broker whose cluster has another one that is gone. */
export interface HalvedKafkaServer extends KafkaServer {
  /** Numbers of both brokers, for the `replicaAssignment` of a topic. */
  readonly replicas: readonly [alive: number, lost: number];
}

const settingsFile = '/tmp/lost-broker.properties';
const pidFile = '/tmp/lost-broker.pid';
const startTimeoutMs = 60_000;

/**
 * Starts a Kafka broker as {@link startKafka} does, and a second one that dies as soon as the cluster knows it (10 s in all). A topic
 * with a replica on both never has more than one in sync, so with `min.insync.replicas` of 2 nothing can be written to it. Always
 * in a container, also when `SLUICE_TEST_KAFKA_URL` is set.
 */
export async function startHalvedKafka({ settings = {} }: StartKafkaOptions = {}): Promise<HalvedKafkaServer> {
  const { server, container } = await startBroker({ settings });
  try {
    await loseBroker(server, container);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return { ...server, replicas: [1, 2] };
}

async function loseBroker({ native }: KafkaServer, { exec }: ContainerServer): Promise<void> {
  const admin = native.admin();
  await admin.connect();
  const members = async (): Promise<number> => (await admin.describeCluster()).brokers.length;
  try {
    await exec(['sh', '-c', startScript()]);
    await until(startTimeoutMs, async () => (await members()) === 2, 'the second broker is there');
    await exec(['sh', '-c', `kill -9 $(cat ${pidFile})`]);
    await until(startTimeoutMs, async () => (await members()) === 1, 'the second broker is gone');
  } finally {
    await admin.disconnect();
  }
}

/** The image that is built locally has another program to start a broker with. */
function startScript(): string {
  const official = '/opt/kafka/bin/kafka-server-start.sh';
  return `cat > ${settingsFile} <<'END'
${lostBrokerSettings(direct)}END
/opt/kafka/bin/kafka-storage.sh format --cluster-id=${clusterId} -c ${settingsFile} || exit 1
start=${official}
[ -x $start ] || start='/etc/kafka/docker/java.sh kafka.Kafka'
$start ${settingsFile} > /tmp/lost-broker.log 2>&1 &
echo $! > ${pidFile}
`;
}
