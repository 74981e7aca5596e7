import {
  isConnectorError,
  type Message,
  type Position,
  type ReadOptions,
  type SourceBatch,
  type SourceDriver,
} from '@sluice/core/driver';
import { until, within } from './deadline.js';

/** How a partition is read. */
export interface LeaseSettings {
  /** From just after this position; left out, where the config says. */
  readonly position?: Position | undefined;
  readonly start?: ReadOptions['start'];
  /** Default 1000. */
  readonly maxMessages?: number;
  /** Default 1 MiB. */
  readonly maxBytes?: number;
  /** Whether each batch is committed as soon as it has come. Default false. */
  readonly commits?: boolean;
}

/** One stretch of reading one partition. */
export interface SourceLease {
  readonly partition: string;
  /** All that came so far. */
  readonly batches: readonly SourceBatch[];
  /** All that came so far. */
  readonly messages: readonly Message[];
  /** The position just after all that came so far. */
  readonly position: Position | undefined;
  /** The next batch, without a deadline; undefined when the partition has ended. */
  next(): Promise<SourceBatch | undefined>;
  /** Reads until so many messages have come in all, and returns them. A last batch may bring more. */
  take(count: number): Promise<readonly Message[]>;
  /** Reads until the partition ends by itself, and returns all that came. */
  rest(): Promise<readonly Message[]>;
  /** Stops fetching only. */
  abort(): void;
  /** Stops fetching and ends the iterator, as the engine does. Idempotent. */
  end(): Promise<void>;
}

/** An open source driver that is driven by the rules of the engine. */
export interface OpenedSource {
  readonly driver: SourceDriver;
  /** The partitions that are held now. */
  readonly held: ReadonlySet<string>;
  /** How often a set was told. */
  readonly sets: number;
  /** Waits until the partition is held, and reads it. One lease of a partition at a time. */
  lease(partition: string, settings?: LeaseSettings): Promise<SourceLease>;
  /** Reads on until the lease is over because its partition was taken away: it left the set, or threw `lease_lost`. */
  lost(lease: SourceLease, limitMs: number): Promise<void>;
  /** Commits after what was committed before. */
  commit(partition: string, position: Position): Promise<void>;
  /** Ends every lease and closes the driver. Idempotent. */
  close(): Promise<void>;
}

/** Drives a driver as the engine does: ends a lease before the set that follows its loss is asked for. */
export function driveSource(driver: SourceDriver, patienceMs: number): OpenedSource {
  const stopping = new AbortController();
  const held = new Set<string>();
  const leases = new Map<string, SourceLease>();
  let sets = 0;
  let failure: { readonly error: unknown } | undefined;
  let commits: Promise<void> = Promise.resolve();

  async function hold(): Promise<void> {
    if (driver.partitions === undefined) {
      held.add('');
      return;
    }
    for await (const set of driver.partitions(stopping.signal)) {
      sets += 1;
      for (const partition of set) held.add(partition);
      for (const partition of [...held].filter((name) => !set.includes(name))) {
        held.delete(partition);
        await leases.get(partition)?.end();
      }
    }
  }

  const holding = hold().catch((error: unknown) => {
    failure = { error };
  });

  function commit(partition: string, position: Position): Promise<void> {
    const next = commits.then(() => driver.commit?.(partition, position));
    commits = next.catch(() => undefined); // the caller of this one sees it
    return within(patienceMs, next, `commit of partition "${partition}"`);
  }

  async function lease(partition: string, settings: LeaseSettings = {}): Promise<SourceLease> {
    const isHeld = (): boolean => failure !== undefined || held.has(partition);
    await until(patienceMs, isHeld, `partition "${partition}" is among those that the source holds`);
    if (failure !== undefined) throw failure.error;
    await leases.get(partition)?.end();
    const onBatch = async ({ position }: SourceBatch): Promise<void> => {
      if (settings.commits === true && driver.commit !== undefined) await commit(partition, position);
    };
    const begun = beginLease({ driver, partition, settings, patienceMs, onBatch });
    leases.set(partition, begun);
    return begun;
  }

  async function lost(lease: SourceLease, limitMs: number): Promise<void> {
    const drained = (async () => {
      while ((await lease.next()) !== undefined);
    })().catch((error: unknown) => {
      if (!isConnectorError(error) || (error.code !== 'lease_lost' && error.code !== 'aborted')) throw error;
    });
    const left = until(limitMs, () => !held.has(lease.partition), 'the partition that was taken away leaves the set');
    await Promise.all([within(limitMs, drained, 'reading ends when the partition was taken away'), left]);
    await lease.end();
  }

  let closing: Promise<void> | undefined;
  async function closeAll(): Promise<void> {
    for (const each of leases.values()) await each.end();
    stopping.abort();
    await within(patienceMs, driver.close(), 'close of the source');
    await within(patienceMs, holding, 'the sets of partitions end after close');
  }

  return {
    driver,
    held,
    get sets() {
      return sets;
    },
    lease,
    lost,
    commit,
    close: () => (closing ??= closeAll()),
  };
}

interface LeaseRequest {
  readonly driver: SourceDriver;
  readonly partition: string;
  readonly settings: LeaseSettings;
  readonly patienceMs: number;
  readonly onBatch: (batch: SourceBatch) => Promise<void>;
}

function beginLease({ driver, partition, settings, patienceMs, onBatch }: LeaseRequest): SourceLease {
  const { position, start, maxMessages = 1000, maxBytes = 1024 * 1024 } = settings;
  const controller = new AbortController();
  const { signal } = controller;
  const options: ReadOptions = { maxMessages, maxBytes, signal, ...(start === undefined ? {} : { start }) };
  const iterator = driver.read(partition, position, options)[Symbol.asyncIterator]();
  const batches: SourceBatch[] = [];
  const messages: Message[] = [];
  const what = partition === '' ? 'the source' : `partition "${partition}"`;

  async function next(): Promise<SourceBatch | undefined> {
    const result = await iterator.next();
    if (result.done === true) return undefined;
    batches.push(result.value);
    messages.push(...result.value.messages);
    await onBatch(result.value);
    return result.value;
  }

  let ending: Promise<void> | undefined;
  async function endNow(): Promise<void> {
    controller.abort();
    await within(patienceMs, Promise.resolve(iterator.return?.()), `end of reading ${what}`);
  }

  return {
    partition,
    batches,
    messages,
    get position() {
      return batches.at(-1)?.position;
    },
    next,
    async take(count) {
      while (messages.length < count) {
        const batch = await within(patienceMs, next(), `${what} brings message ${messages.length + 1} of ${count}`);
        if (batch === undefined) throw new Error(`${what} ended after ${messages.length} of ${count} messages`);
      }
      return messages;
    },
    async rest() {
      while ((await within(patienceMs, next(), `${what} ends after its ${messages.length} messages`)) !== undefined);
      return messages;
    },
    abort: () => controller.abort(),
    end: () => (ending ??= endNow()),
  };
}
