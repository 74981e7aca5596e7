/** Where the images look for the broker's settings. */
export const settingsFile = '/mnt/shared/config/server.properties';
/** That of the storage in the image that is built locally. */
export const clusterId = '4L6g3nShT-eMCtK--X86sw';

/** A listener of a broker. */
export interface KafkaListener {
  /** Name in the broker's settings. Not of the form `SASL_…`: the official image then demands a file that nothing needs. */
  readonly name: string;
  readonly protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';
  /** Port in the container. */
  readonly port: number;
}

/** Listeners for the broker's own affairs, inside the container. It finishes transactions by calling itself. */
const own = [
  { name: 'INSIDE', protocol: 'PLAINTEXT', port: 9091 },
  { name: 'CONTROLLER', protocol: 'PLAINTEXT', port: 9093 },
] as const satisfies readonly KafkaListener[];
const [inside, controller] = own;

/** A broker with one node that is quick at what brokers are slow at. */
const defaults = {
  'process.roles': 'broker,controller',
  'node.id': '1',
  'controller.quorum.voters': `1@localhost:${controller.port}`,
  'controller.listener.names': controller.name,
  'log.dirs': '/var/lib/kafka/data',
  // A broker that was killed comes back when its session has ended. Not shorter: it must outlast a busy machine.
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '500',
  'auto.create.topics.enable': 'false',
  'num.partitions': '1',
  'default.replication.factor': '1',
  'min.insync.replicas': '1',
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '4',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '4',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'share.coordinator.state.topic.num.partitions': '1',
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '1000',
  'group.consumer.min.session.timeout.ms': '1000',
  'group.consumer.min.heartbeat.interval.ms': '200',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
  'log.cleaner.dedupe.buffer.size': '16777216',
  'log.cleaner.threads': '1',
  'log.cleaner.backoff.ms': '1000',
  'log.retention.check.interval.ms': '5000',
  'log.segment.delete.delay.ms': '1000',
  'num.network.threads': '2',
  'num.io.threads': '4',
  'background.threads': '2',
};

/**
 * The text of `server.properties`. `advertised` is the `host:port` that the broker tells clients of a listener to come to;
 * `settings` win over what is set here.
 */
export function kafkaSettings(
  listeners: readonly KafkaListener[],
  advertised: (listener: KafkaListener) => string,
  settings: Readonly<Record<string, string>>,
): string {
  const all = {
    ...defaults,
    listeners: [
      ...own.map(({ name, port }) => `${name}://localhost:${port}`),
      ...listeners.map(({ name, port }) => `${name}://0.0.0.0:${port}`),
    ].join(),
    'advertised.listeners': [
      `${inside.name}://localhost:${inside.port}`,
      ...listeners.map((listener) => `${listener.name}://${advertised(listener)}`),
    ].join(),
    'listener.security.protocol.map': [...own, ...listeners].map(({ name, protocol }) => `${name}:${protocol}`).join(),
    'inter.broker.listener.name': inside.name,
    ...settings,
  };
  return propertiesOf(all);
}

/**
 * The text of `server.properties` of a second broker in the container of the first. No client can reach it, but it has their
 * listener, because without that they are not told of it.
 */
export function lostBrokerSettings({ name, protocol }: KafkaListener): string {
  const addresses = `${inside.name}://localhost:9191,${name}://localhost:9192`;
  return propertiesOf({
    ...defaults,
    'process.roles': 'broker',
    'node.id': '2',
    'log.dirs': '/tmp/lost-broker',
    listeners: addresses,
    'advertised.listeners': addresses,
    'listener.security.protocol.map': [...own, { name, protocol }]
      .map((each) => `${each.name}:${each.protocol}`)
      .join(),
    'inter.broker.listener.name': inside.name,
  });
}

function propertiesOf(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${escapeValue(value)}\n`)
    .join('');
}

/** A Java properties file takes a backslash as the beginning of an escape, and a line break as the end of the value. */
function escapeValue(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
