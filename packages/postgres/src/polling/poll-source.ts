import type { DriverContext, Position, ReadOptions, SourceBatch, SourceDriver } from '@sluice/core/driver';
import { guardedRead } from '../guarded-read.js';
import type { PostgresOptions } from '../options.js';
import { TextClient } from '../text-client.js';
import { FullReading } from './full-reading.js';
import { pause } from './pause.js';
import type { PollSourceSettings } from './poll-config.js';
import { lookAtPolled, type PolledSystem } from './polled-system.js';
import { QueryReading } from './query-reading.js';
import { TableReading } from './table-reading.js';

/** Opens the source; rejects when what it reads is not there, or cannot be read as the config says. */
export async function openPollSource(
  config: PollSourceSettings,
  options: PostgresOptions,
  context: DriverContext,
): Promise<SourceDriver> {
  const open = (signal: AbortSignal): Promise<TextClient> =>
    TextClient.open(config, options, { name: `sluice ${context.pipeline}`, signal });
  const client = await open(context.signal);
  try {
    return new PollSource(client, { config, open, system: await lookAtPolled(client, config) });
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** Whether the source could be read with this config. */
export async function checkPollSource(
  config: PollSourceSettings,
  options: PostgresOptions,
  signal: AbortSignal,
): Promise<void> {
  const client = await TextClient.open(config, options, { name: 'sluice check', signal });
  try {
    await lookAtPolled(client, config);
  } finally {
    await client.close();
  }
}

interface Opened {
  readonly config: PollSourceSettings;
  readonly system: PolledSystem;
  open(signal: AbortSignal): Promise<TextClient>;
}

class PollSource implements SourceDriver {
  readonly identity: string;
  readonly #opened: Opened;
  readonly #closing = new AbortController();
  #client: TextClient;

  constructor(client: TextClient, opened: Opened) {
    this.identity = opened.system.identity;
    this.#client = client;
    this.#opened = opened;
  }

  read(_partition: string, position: Position | undefined, options: ReadOptions): AsyncIterable<SourceBatch> {
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    return guardedRead(this.#batches(position, { ...options, signal }), signal, () => this.#client.break());
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#client.close();
  }

  async *#batches(position: Position | undefined, options: ReadOptions): AsyncGenerator<SourceBatch> {
    const { config, system, open } = this.#opened;
    // An abort that was not answered has broken it.
    if (!this.#client.isOpen) this.#client = await open(options.signal);
    const { bounded, intervalMs } = config;
    const rest = (signal: AbortSignal): Promise<void> => pause(intervalMs, signal);
    const surroundings = { client: this.#client, config, bounded, wakes: false, rest };
    const Reading =
      config.refresh === 'full' ? FullReading : system.target.hasTransaction ? TableReading : QueryReading;
    yield* new Reading(surroundings, options).batches(position);
  }
}
