import {
  ConnectorError,
  type DriverContext,
  type Position,
  type ReadOptions,
  type SourceBatch,
  type SourceDriver,
} from '@sluice/core/driver';
import { guardedRead } from '../guarded-read.js';
import type { PostgresOptions } from '../options.js';
import { lookAtPolled, type PolledSystem } from '../polling/polled-system.js';
import { QueryReading } from '../polling/query-reading.js';
import { TableReading } from '../polling/table-reading.js';
import { TextClient } from '../text-client.js';
import { catchesUp, type ListenSourceSettings } from './listen-config.js';
import { Listener } from './listener.js';
import { NotificationQueue } from './notification-queue.js';
import { installTrigger } from './notify-trigger.js';

/** Opens the source: it hears from then on, whether or not somebody reads. */
export async function openListenSource(
  config: ListenSourceSettings,
  options: PostgresOptions,
  context: DriverContext,
): Promise<SourceDriver> {
  const { signal } = context;
  const client = await TextClient.open(config, options, { name: `sluice ${context.pipeline}`, signal });
  try {
    if (!catchesUp(config)) {
      await checkNotifies(client);
      return await NotificationSource.start(client, config, context);
    }
    const system = await lookAtPolled(client, config);
    if (config.install) await installTrigger(config, options, context);
    const { channels, pingIntervalMs } = config;
    const listener = await Listener.start(client, { channels, pingIntervalMs, hear: () => undefined });
    return new CatchingUpSource(listener, { client, config, system });
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** Whether the source could be read with this config; makes nothing. */
export async function checkListenSource(
  config: ListenSourceSettings,
  options: PostgresOptions,
  signal: AbortSignal,
): Promise<void> {
  const client = await TextClient.open(config, options, { name: 'sluice check', signal });
  try {
    if (catchesUp(config)) await lookAtPolled(client, config);
    else await checkNotifies(client);
  } finally {
    await client.close();
  }
}

/** @throws {ConnectorError} `unsupported` when the server has no notifications */
async function checkNotifies(client: TextClient): Promise<void> {
  const row = await client.one('select pg_catalog.pg_is_in_recovery() as standby');
  if (row?.['standby'] !== 't') return;
  throw new ConnectorError('unsupported', 'the server is a standby, which has no notifications. Listen on the primary');
}

interface Opened {
  readonly client: TextClient;
  readonly config: ListenSourceSettings;
  readonly system: PolledSystem;
}

/** Reads rows; notifications only say when to look. */
class CatchingUpSource implements SourceDriver {
  readonly identity: string;
  readonly #listener: Listener;
  readonly #opened: Opened;
  readonly #closing = new AbortController();

  constructor(listener: Listener, opened: Opened) {
    this.identity = opened.system.identity;
    this.#listener = listener;
    this.#opened = opened;
  }

  read(_partition: string, position: Position | undefined, options: ReadOptions): AsyncIterable<SourceBatch> {
    const { client, config, system } = this.#opened;
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    const rest = (until: AbortSignal): Promise<void> => this.#listener.wait(config.intervalMs, until);
    const surroundings = { client, config, bounded: false, wakes: true, rest };
    const Reading = system.target.hasTransaction ? TableReading : QueryReading;
    const batches = new Reading(surroundings, { ...options, signal }).batches(position);
    return guardedRead(batches, signal, () => client.break());
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#listener.stop();
    await this.#opened.client.close();
  }
}

/** Reads the notifications themselves; what comes while nobody listens is gone. */
class NotificationSource implements SourceDriver {
  readonly #client: TextClient;
  readonly #queue: NotificationQueue;
  readonly #listener: Listener;
  readonly #closing = new AbortController();

  private constructor(client: TextClient, queue: NotificationQueue, listener: Listener) {
    this.#client = client;
    this.#queue = queue;
    this.#listener = listener;
  }

  static async start(
    client: TextClient,
    { channels, pingIntervalMs, queueMaxBytes }: ListenSourceSettings,
    { metrics }: DriverContext,
  ): Promise<SourceDriver> {
    const queue = new NotificationQueue(queueMaxBytes);
    const listener = await Listener.start(client, {
      channels,
      pingIntervalMs,
      hear: (notification) => {
        if (!queue.push(notification)) metrics.add('dropped_notifications', 1);
      },
    });
    return new NotificationSource(client, queue, listener);
  }

  async *read(_partition: string, _position: Position | undefined, options: ReadOptions): AsyncGenerator<SourceBatch> {
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    while (!signal.aborted) {
      const batch = this.#queue.shift(options);
      if (batch === undefined) await this.#listener.wait(undefined, signal);
      else yield batch;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#listener.stop();
    await this.#client.close();
  }
}
