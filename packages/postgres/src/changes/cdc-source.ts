import type {
  DriverContext,
  MessageSchema,
  Position,
  ReadOptions,
  SourceBatch,
  SourceDriver,
} from '@sluice/core/driver';
import type { Client } from 'pg';
import { breakAtAbort } from '../break-at-abort.js';
import { endClient, endsWithin } from '../end-client.js';
import type { PostgresOptions } from '../options.js';
import { shapeOf, type TableShape } from '../rows/table-shape.js';
import { ChangeFilter, type ChangeFilterRules } from '../snapshot/change-filter.js';
import type { ChangesSettings } from './cdc-config.js';
import { type CdcPosition, parsePosition } from './cdc-position.js';
import { CdcReading } from './cdc-reading.js';
import { checkServer, rowsOnStandby, waitsForPrimary } from './cdc-server.js';
import type { Relation } from './pgoutput.js';
import { unpublished } from './publication.js';
import { ReplicationStream } from './replication.js';
import { openReplication, statusInterval } from './replication-client.js';
import { checkSlot, createSlot, missingSlot, type SlotState, slotState, startIn } from './replication-slot.js';
import { batchLimits } from './transaction-batches.js';

/** What a source was opened with. */
interface Opened {
  readonly config: ChangesSettings;
  readonly options: PostgresOptions;
  readonly context: DriverContext;
  readonly isStandby: boolean;
}

/** The partition that changes are. */
export const changesPartition = 'changes';

/** How long an aborted read may wait for an answer. */
const abortMs = 500;

/** Reads the changes of a slot as one partition. */
export class CdcSource implements SourceDriver {
  readonly identity: string;
  readonly statusIntervalMs: number;
  readonly #catalog: Client;
  readonly #opened: Opened;
  readonly #closing = new AbortController();
  readonly #schemas = new Map<number, MessageSchema>();
  #reading: CdcReading | undefined;
  #asking: Promise<unknown> = Promise.resolve();
  /** Settled while nothing was read. */
  #committed: Position | undefined;
  #serverLsn = 0n;
  #waitingBytes: number | undefined;
  /** Tables that were asked for and are not published, as far as that was told. */
  #unpublished: ReadonlySet<string> = new Set();
  #watch: NodeJS.Timeout | undefined;

  constructor(catalog: Client, identity: string, opened: Opened) {
    this.#catalog = catalog;
    this.identity = identity;
    this.statusIntervalMs = opened.config.statusIntervalMs;
    this.#opened = opened;
  }

  async *partitions(): AsyncGenerator<readonly string[]> {
    yield [changesPartition];
  }

  /** How much log the slot has not been told to forget, in bytes, when that was looked at last. */
  get waitingBytes(): number | undefined {
    return this.#waitingBytes;
  }

  /** Looks from time to time how much log the server keeps, also while the slot is not read. */
  watch(everyMs: number): void {
    clearInterval(this.#watch);
    this.#watch = setInterval(() => void this.#lookAgain(), everyMs);
  }

  /** Makes the slot where that is asked for; tells where its changes begin, and whether they do so now. */
  async ready(signal: AbortSignal): Promise<{ readonly lsn: bigint; readonly isNew: boolean }> {
    return await breakAtAbort(this.#catalog, signal, async () => {
      if ((await checkServer(this.#catalog)).isStandby) throw rowsOnStandby();
      const isNew = (await slotState(this.#catalog, this.#opened.config.slot)) === undefined;
      const slot = await this.#slot(undefined);
      this.#look(slot);
      return { lsn: startIn(slot, { position: undefined, start: undefined }).lsn, isNew };
    });
  }

  /** @param rules what rows that were read before already show */
  read(
    _partition: string,
    position: Position | undefined,
    options: ReadOptions,
    rules?: ChangeFilterRules,
  ): AsyncIterable<SourceBatch> {
    const batches = this.#batches(position, options, rules);
    let pending: Promise<unknown> | undefined;
    const next = (): Promise<IteratorResult<SourceBatch>> => {
      const result = batches.next();
      pending = result;
      return result;
    };
    const giveUp = async (): Promise<void> => {
      // What an abort does not reach waits for an answer from the catalog.
      if (pending !== undefined && !(await endsWithin(abortMs, pending))) this.#catalog.connection.stream.destroy();
    };
    options.signal.addEventListener('abort', () => void giveUp(), { once: true });
    // An abort ends the generator, but what was read is confirmed until the engine ends the iterator.
    const end = async (): Promise<IteratorResult<SourceBatch>> => {
      await batches.return(undefined);
      await this.#stopReading();
      return { done: true, value: undefined };
    };
    return { [Symbol.asyncIterator]: () => ({ next, return: end }) };
  }

  async commit(_partition: string, position: Position): Promise<void> {
    // A lease may be told what an older one had settled before its stream has begun.
    if (this.#reading === undefined) this.#committed = position;
    else this.#reading.confirm(position);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#stopReading();
    await endClient(this.#catalog);
  }

  async *#batches(
    position: Position | undefined,
    options: ReadOptions,
    rules: ChangeFilterRules | undefined,
  ): AsyncGenerator<SourceBatch> {
    try {
      const reading = await this.#begin(position === undefined ? undefined : parsePosition(position), options, rules);
      yield* reading.batches(AbortSignal.any([options.signal, this.#closing.signal]));
    } catch (error) {
      await this.#stopReading();
      throw error;
    }
  }

  async #begin(
    position: CdcPosition | undefined,
    options: ReadOptions,
    rules: ChangeFilterRules | undefined,
  ): Promise<CdcReading> {
    const { config, context } = this.#opened;
    const slot = await this.#slot(position);
    const from = startIn(slot, { position, start: options.start });
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    const name = `sluice ${context.pipeline}`;
    const client = await openReplication(config, this.#opened.options, { name, signal });
    const statusIntervalMs = await this.#agreed(client, signal);
    const limits = batchLimits(options);
    const stream = await ReplicationStream.start(client, {
      slot: config.slot,
      publication: config.publication,
      from: from.lsn,
      maxQueuedBytes: limits.maxBytes,
      statusIntervalMs,
      signal,
    });
    this.#reading = new CdcReading(stream, { ...from, isNew: position === undefined }, limits, {
      shapeOf: (relation) => this.#shapeOf(relation),
      serverLsn: () => this.#serverLsn,
      moveIntervalMs: statusIntervalMs,
      filter: rules && new ChangeFilter(rules, (sql, values) => this.#inTurn(() => this.#catalog.query(sql, values))),
    });
    if (this.#committed !== undefined && options.start === undefined) this.#reading.confirm(this.#committed);
    this.#committed = undefined;
    this.#look(slot);
    this.watch(statusIntervalMs);
    return this.#reading;
  }

  async #agreed(client: Client, signal: AbortSignal): Promise<number> {
    try {
      return await breakAtAbort(client, signal, () => statusInterval(client, this.statusIntervalMs));
    } catch (error) {
      await endClient(client);
      throw error;
    }
  }

  async #slot(position: CdcPosition | undefined): Promise<SlotState> {
    const { slot: name, create } = this.#opened.config;
    let slot = await slotState(this.#catalog, name);
    if (slot === undefined && create && position === undefined) {
      if (this.#opened.isStandby) this.#opened.context.notice(waitsForPrimary(name));
      await createSlot(this.#catalog, name);
      slot = await slotState(this.#catalog, name);
    }
    if (slot === undefined) throw missingSlot(name, position);
    checkSlot(slot);
    return slot;
  }

  /** One object for each version of a table, however often the server describes it. */
  async #shapeOf(relation: Relation): Promise<TableShape> {
    const shape = await this.#inTurn(() => shapeOf(this.#catalog, relation));
    const known = this.#schemas.get(relation.id);
    if (known !== undefined && JSON.stringify(known) === JSON.stringify(shape.schema))
      return { ...shape, schema: known };
    this.#schemas.set(relation.id, shape.schema);
    return shape;
  }

  #look({ serverLsn, confirmedLsn, retainedBytes }: SlotState): void {
    this.#serverLsn = serverLsn;
    this.#waitingBytes = Math.max(0, Number(serverLsn - confirmedLsn));
    this.#opened.context.metrics.set('slot_retained_bytes', retainedBytes);
  }

  /** One question to the catalog at a time. */
  async #inTurn<T>(ask: () => Promise<T>): Promise<T> {
    const answer = this.#asking.then(ask);
    this.#asking = answer.catch(() => undefined); // for who asked
    return await answer;
  }

  async #lookAgain(): Promise<void> {
    try {
      const slot = await this.#inTurn(() => slotState(this.#catalog, this.#opened.config.slot));
      if (slot !== undefined) this.#look(slot);
      this.#tell(await this.#inTurn(() => unpublished(this.#catalog, this.#opened.config)));
    } catch (error) {
      // The stream need not have noticed that the server is gone.
      this.#reading?.fail(error);
    }
  }

  /** Who takes a table out of the publication, or drops it, may mean that. */
  #tell(unpublishedNow: readonly string[]): void {
    const { config, context } = this.#opened;
    for (const table of unpublishedNow)
      if (!this.#unpublished.has(table))
        context.notice(
          `publication "${config.publication}" does not publish ${table} any more: its changes are not read`,
        );
    this.#unpublished = new Set(unpublishedNow);
  }

  async #stopReading(): Promise<void> {
    clearInterval(this.#watch);
    const reading = this.#reading;
    this.#reading = undefined;
    await reading?.stop();
  }
}
