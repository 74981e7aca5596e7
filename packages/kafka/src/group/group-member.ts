import { setTimeout as pause } from 'node:timers/promises';
import { ConnectorError } from '@sluice/core/driver';
import type { KafkaCluster } from '../connection/cluster.js';
import { mayPass } from '../connection/patience.js';
import { parsePartitionName, partitionName } from '../connection/topic-partition.js';
import type { TopicTable } from '../connection/topic-table.js';
import { protocolTypeOf } from '../error.js';
import { GroupSession, type GroupSettings } from './group-session.js';

/** One partition from being given it to letting it go or losing it. */
export interface Holding {
  readonly partition: string;
  /** Aborted, with the reason, when the partition was lost without warning. */
  readonly lost: AbortController;
}

const retryMs = 100;
/** What the group answers to a member that it has given up. */
const outcast = new Set(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION']);
/** What a commit is answered while a generation begins. */
const passing = new Set(['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION']);

/**
 * One member of a consumer group. It gives signs of life on its own, whether or not anybody reads, and goes on holding its
 * partitions while the group rebalances. What it is to give up it tells first and lets go only when it is asked for the next set,
 * or when the time for it has passed; only then does it join again, which is how the others learn that the partition is free.
 */
export class GroupMember {
  readonly #session: GroupSession;
  readonly #settings: GroupSettings;
  readonly #topics: TopicTable;
  readonly #patienceMs: number;
  readonly #closing = new AbortController();
  readonly #held = new Map<string, Holding>();
  /** What the group wants this member to hold; undefined before the first assignment. */
  #wanted: readonly string[] | undefined;
  /** Grows when the next set has to be told. */
  #version = 0;
  #toldVersion = 0;
  #joinNeeded = true;
  #settled = Promise.withResolvers<void>();
  #failure: { readonly error: unknown } | undefined;
  #lastContact = performance.now();
  #letGoBy: NodeJS.Timeout | undefined;
  #changed = Promise.withResolvers<void>();
  #nudge: (() => void) | undefined;
  #alive = false;

  constructor(cluster: KafkaCluster, topics: TopicTable, settings: GroupSettings) {
    this.#session = new GroupSession(cluster, settings);
    this.#settings = settings;
    this.#topics = topics;
    this.#patienceMs = cluster.requestTimeoutMs;
  }

  /** The sets of partitions to hold, one after the other. Asking for the next is the permission to let go what was left out. */
  async *sets(signal: AbortSignal): AsyncGenerator<readonly string[], void> {
    if (!this.#alive) void this.#live();
    this.#alive = true;
    const stop = (): void => this.#change();
    signal.addEventListener('abort', stop);
    try {
      while (!signal.aborted && !this.#closing.signal.aborted) {
        if (this.#failure !== undefined) throw this.#failure.error;
        if (this.#wanted === undefined || this.#version === this.#toldVersion) {
          await this.#changed.promise;
          continue;
        }
        const told = this.#wanted;
        this.#toldVersion = this.#version;
        for (const partition of told) {
          if (!this.#held.has(partition)) this.#held.set(partition, { partition, lost: new AbortController() });
        }
        yield told;
        this.#letGo(told);
      }
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** @throws {ConnectorError} `lease_lost` when this member does not hold the partition */
  holding(partition: string): Holding {
    const holding = this.#held.get(partition);
    if (holding === undefined) throw lost(partition);
    return holding;
  }

  /** The offset that the group has committed for a partition; undefined when it has none. */
  committed(partition: string): Promise<number | undefined> {
    return this.#session.committed(parsePartitionName(partition));
  }

  /**
   * Commits for what is held, as a member of the generation of now. While a generation begins it waits; for what was lost
   * meanwhile nothing is sent.
   */
  async commit(partition: string, offset: number): Promise<void> {
    const holding = this.holding(partition);
    const until = performance.now() + this.#patienceMs;
    for (;;) {
      if (holding.lost.signal.aborted || this.#held.get(partition) !== holding) throw lost(partition);
      const { generation } = this.#session;
      try {
        return await this.#session.commit(parsePartitionName(partition), offset);
      } catch (error) {
        const type = protocolTypeOf(error) ?? '';
        const begins = passing.has(type) && (this.#joinNeeded || generation !== this.#session.generation);
        if (type === 'UNKNOWN_MEMBER_ID' || (type === 'ILLEGAL_GENERATION' && !begins)) this.#castOut(error);
        else if (type === 'REBALANCE_IN_PROGRESS') this.#joinAgain();
        else if (!begins && !mayPass(error)) throw error;
        if (performance.now() > until) throw error;
      }
      await Promise.race([this.#settled.promise, pause(retryMs)]);
    }
  }

  /** Joins again when there are other topics or partitions than the group knows. */
  topicsChanged(): void {
    this.#joinAgain();
  }

  /** Whether this member, as the leader, has assigned other partitions than there are now. */
  get outdated(): boolean {
    return this.#session.outdated(this.#topics.partitions);
  }

  /** Ends the membership with an error: nothing is held any more, and the next set rejects with it. */
  fail(error: unknown): void {
    this.#loseAll(error);
    this.#failure ??= { error };
    this.#change();
  }

  /** Leaves the group. Idempotent; never rejects. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    clearTimeout(this.#letGoBy);
    this.#change();
    // The group finds out by itself, only later.
    await this.#session.leave().catch(() => undefined);
  }

  async #live(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted && this.#failure === undefined) {
      try {
        if (this.#joinNeeded) await this.#join();
        else await this.#session.heartbeat();
        this.#lastContact = performance.now();
        if (!this.#joinNeeded) await this.#rest(this.#settings.heartbeatIntervalMs);
      } catch (error) {
        if (signal.aborted || !(await this.#recover(error))) return;
      }
    }
  }

  async #join(): Promise<void> {
    this.#joinNeeded = false;
    const owned = [...this.#held.keys()].map(parsePartitionName);
    const assigned = (await this.#session.join({ topics: this.#topics.topics, owned })).map(partitionName);
    if (this.#closing.signal.aborted) return;
    const leaving = [...this.#held.keys()].filter((partition) => !assigned.includes(partition));
    const same = assigned.every((partition) => this.#held.has(partition)) && leaving.length === 0;
    if (!same || this.#wanted === undefined) this.#version++;
    this.#wanted = assigned;
    clearTimeout(this.#letGoBy);
    if (leaving.length > 0) {
      const limitMs = this.#settings.rebalanceTimeoutMs;
      this.#letGoBy = setTimeout(() => this.#takeAway(leaving), limitMs);
    }
    this.#settled.resolve();
    this.#settled = Promise.withResolvers();
    this.#change();
  }

  /** Whether to go on after a failed request. */
  async #recover(error: unknown): Promise<boolean> {
    const type = protocolTypeOf(error) ?? '';
    if (type === 'REBALANCE_IN_PROGRESS') this.#joinNeeded = true;
    else if (outcast.has(type)) this.#castOut(error);
    else if (mayPass(error) && performance.now() - this.#lastContact < this.#settings.sessionTimeoutMs) {
      await this.#rest(retryMs);
    } else {
      this.fail(error);
      return false;
    }
    return true;
  }

  #rest(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#nudge = resolve;
    return promise.finally(() => clearTimeout(timer));
  }

  #joinAgain(): void {
    this.#joinNeeded = true;
    this.#nudge?.();
  }

  /** What was left out of the set that was told last is nobody's from here on. */
  #letGo(told: readonly string[]): void {
    const gone = [...this.#held.keys()].filter((partition) => !told.includes(partition));
    for (const partition of gone) this.#held.delete(partition);
    if (gone.length > 0) this.#joinAgain();
  }

  /** The time to let go has passed. */
  #takeAway(partitions: readonly string[]): void {
    const limit = `${this.#settings.rebalanceTimeoutMs} ms (rebalanceTimeoutMs)`;
    for (const partition of partitions) this.#lose(partition, `it was not finished within ${limit}`);
    this.#joinAgain();
  }

  /** The group has given this member up: it holds nothing any more, and joins as a new one. */
  #castOut(cause: unknown): void {
    this.#loseAll(cause);
    this.#session.forget();
    this.#joinAgain();
  }

  #loseAll(cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    for (const partition of [...this.#held.keys()]) this.#lose(partition, reason);
    this.#wanted = undefined;
  }

  #lose(partition: string, reason: string): void {
    const holding = this.#held.get(partition);
    this.#held.delete(partition);
    holding?.lost.abort(lost(partition, reason));
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
    this.#nudge?.();
  }
}

function lost(partition: string, reason = 'another member of the group has it now'): ConnectorError {
  return new ConnectorError('lease_lost', `partition "${partition}" was lost: ${reason}`);
}
