import { ConnectorError, isConnectorError } from '@sluice/core/driver';
import { classifyKafkaError } from '../error.js';
import type { MetadataAnswer } from './api.js';
import { type BrokerAddress, type BrokerConnection, type ConnectionSetup, connectBroker } from './broker-connection.js';
import { protocolError } from './protocol.js';

/** What a coordinator coordinates. */
export type CoordinatorKind = 'group' | 'transaction';

const coordinatorTypes: Readonly<Record<CoordinatorKind, number>> = { group: 0, transaction: 1 };

/**
 * The brokers of a cluster, with connections that are opened when they are needed. Requests of one connection are answered one
 * after the other, so what may take long has a lane of its own.
 */
export class KafkaCluster {
  readonly #seeds: readonly BrokerAddress[];
  readonly #setup: ConnectionSetup;
  readonly #connections = new Map<string, Promise<BrokerConnection>>();
  readonly #closing = new AbortController();
  #brokers = new Map<number, BrokerAddress>();
  #bootstrap: Promise<BrokerConnection> | undefined;
  #id: string | undefined;

  constructor(seeds: readonly BrokerAddress[], setup: ConnectionSetup) {
    this.#seeds = seeds;
    this.#setup = setup;
  }

  /** The id of the cluster; undefined before the first {@link metadata}, and for brokers that have none. */
  get id(): string | undefined {
    return this.#id;
  }

  get requestTimeoutMs(): number {
    return this.#setup.requestTimeoutMs;
  }

  /** Ids of the brokers that are known. */
  get nodeIds(): readonly number[] {
    return [...this.#brokers.keys()];
  }

  /**
   * Asks any broker for topics and their partitions, with an error code for each; no topics: all that the user may see.
   *
   * @param create Whether topics that do not exist are created, where the cluster allows it
   */
  async metadata(topics: readonly string[] | 'all', create = false): Promise<MetadataAnswer> {
    if (topics.length === 0) return { ...(await this.metadata(['__consumer_offsets'])), topicMetadata: [] };
    const connection = await this.any();
    const fields = { topics: topics === 'all' ? [] : topics, allowAutoTopicCreation: create };
    const answer = await connection.request('Metadata', fields);
    if (answer.brokers.length > 0) {
      this.#brokers = new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
    }
    this.#id = answer.clusterId ?? undefined;
    return answer;
  }

  /** A connection to whichever broker answers first: one that is known, or else one of the config. */
  async any(): Promise<BrokerConnection> {
    this.#bootstrap ??= this.#connectAny().catch((error: unknown) => {
      this.#bootstrap = undefined;
      throw error;
    });
    const connection = await this.#bootstrap;
    if (connection.connected) return connection;
    this.#bootstrap = undefined;
    return this.any();
  }

  /**
   * The connection to a broker in a lane.
   *
   * @throws {ConnectorError} `not_connected` when the broker is not in the metadata
   */
  async connection(nodeId: number, lane: string): Promise<BrokerConnection> {
    const key = `${nodeId}/${lane}`;
    const address = this.#brokers.get(nodeId);
    if (address === undefined) throw new ConnectorError('not_connected', `broker ${nodeId} is not in the cluster now`);
    const known = this.#connections.get(key);
    if (known !== undefined) {
      const connection = await known;
      if (connection.connected) return connection;
      if (this.#connections.get(key) === known) this.#connections.delete(key);
      return this.connection(nodeId, lane);
    }
    const opening = connectBroker(address, this.#setup, this.#closing.signal);
    this.#connections.set(key, opening);
    opening.catch(() => this.#connections.delete(key));
    return opening;
  }

  /** The id of the broker that coordinates a group or a transactional id. Throws the protocol's error when there is none now. */
  async coordinator(kind: CoordinatorKind, key: string): Promise<number> {
    const connection = await this.any();
    const fields = { groupId: key, coordinatorType: coordinatorTypes[kind] };
    const { errorCode, coordinator } = await connection.request('GroupCoordinator', fields, { atLeast: 1 });
    if (errorCode !== 0) throw protocolError(errorCode);
    const { nodeId, host, port } = coordinator;
    this.#brokers.set(nodeId, { host, port });
    return nodeId;
  }

  /** Ends all connections and what waits on them. Idempotent. */
  close(): void {
    this.#closing.abort(new ConnectorError('closed', 'the connection to the cluster was closed'));
    const opened = [...this.#connections.values(), ...(this.#bootstrap === undefined ? [] : [this.#bootstrap])];
    this.#connections.clear();
    // One that is being opened is aborted, and its failure was told to whoever asked for it.
    for (const opening of opened) opening.then((connection) => connection.close()).catch(() => undefined);
  }

  async #connectAny(): Promise<BrokerConnection> {
    const known = [...this.#brokers.values()];
    const addresses = [...known, ...this.#seeds.filter((seed) => !known.some((address) => sameAddress(seed, address)))];
    const failures: unknown[] = [];
    for (const address of addresses) {
      try {
        return await connectBroker(address, this.#setup, this.#closing.signal);
      } catch (error) {
        this.#closing.signal.throwIfAborted();
        // The other brokers have the same users.
        if (classifyKafkaError(error)?.code === 'unauthenticated' || isConnectorError(error)) throw error;
        failures.push(error);
      }
    }
    throw failures[0];
  }
}

function sameAddress(a: BrokerAddress, b: BrokerAddress): boolean {
  return a.host === b.host && a.port === b.port;
}
