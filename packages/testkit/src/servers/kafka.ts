import type { Kafka } from 'kafkajs';
import { ownServerUrl, type TestServer, untouchableServer } from '../test-server.js';
import { nativeKafka, startBroker } from './kafka-broker.js';

/** A Kafka broker for tests. */
export interface KafkaServer extends TestServer {
  /** Addresses for the connector under test, `host:port`. They lead through `proxy`, as does what the broker advertises there. */
  readonly brokers: string[];
  /** Addresses past the proxy, for other native clients and for benchmarks. */
  readonly directBrokers: string[];
  /** kafkajs past the proxy, for what a test prepares and checks: `native.admin()`, `.producer()`, `.consumer()`. */
  readonly native: Kafka;
}

/** How a broker for tests differs from others. */
export interface StartKafkaOptions {
  /** Settings of the broker, by their names in `server.properties`. They win over those of {@link startKafka}. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * Starts a Kafka broker in a container (about 2 s), or uses that of `SLUICE_TEST_KAFKA_URL` (`host:port,…`, plaintext).
 *
 * It is quick at what brokers are slow at: consumer groups begin without delay, a session timeout may be 1 s, abandoned
 * transactions are looked for every second. Topics are not created by using them. It has one node, so replication is 1.
 *
 * Start one in `beforeAll` of each test file and stop it in `afterAll`. Files do not share a broker: a test may then cut,
 * pause or restart it without a look at others, and that costs only the 2 s. Within a file, tests keep apart by
 * `uniqueName`.
 *
 * @throws Error when no container engine answers, or the image is not here and cannot be fetched.
 */
export async function startKafka({ settings = {} }: StartKafkaOptions = {}): Promise<KafkaServer> {
  const own = ownServerUrl('kafka');
  if (own !== undefined) {
    const brokers = own.split(',');
    // Onto the server, not into a new object: its `proxy` is a getter that says why there is none.
    return Object.assign(untouchableServer('kafka', own), {
      brokers,
      directBrokers: brokers,
      native: await nativeKafka({ brokers }),
    });
  }
  const { server } = await startBroker({ settings });
  return server;
}
