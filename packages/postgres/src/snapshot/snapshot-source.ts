import {
  ConnectorError,
  type DriverContext,
  type Position,
  type ReadOptions,
  type SourceBatch,
  type SourceDriver,
} from '@sluice/core/driver';
import type { Client } from 'pg';
import { breakAtAbort } from '../break-at-abort.js';
import type { CdcSourceSettings } from '../changes/cdc-config.js';
import { openCdcSource } from '../changes/cdc-opening.js';
import { parsePosition, toPosition } from '../changes/cdc-position.js';
import { type CdcSource, changesPartition } from '../changes/cdc-source.js';
import { openClient } from '../client.js';
import { endClient } from '../end-client.js';
import type { PostgresOptions } from '../options.js';
import { textSettings } from '../rows/column-types.js';
import { type ChunkPosition, isWhole, parseChunkPosition, toChunkPosition } from './chunk-position.js';
import { readChunk } from './chunk-reading.js';
import { makePlan, namedTables } from './make-plan.js';
import { seesNothing } from './server-snapshot.js';
import { SnapshotChunks } from './snapshot-chunks.js';
import { parsePlanPosition, type SnapshotPlan, snapshotOver, toPlanPosition } from './snapshot-plan.js';
import { TurnQueue } from './turn-queue.js';

/** The partition that keeps what the snapshot reads. */
const planPartition = 'snapshot';

interface Opened {
  readonly config: CdcSourceSettings;
  readonly options: PostgresOptions;
  readonly context: DriverContext;
}

/** Opens a source that reads the rows of tables, and their changes afterwards unless only the rows are asked for. */
export async function openSnapshotSource(
  config: CdcSourceSettings,
  options: PostgresOptions,
  context: DriverContext,
): Promise<SourceDriver> {
  const opened = { config, options, context };
  if (config.snapshot !== 'only') {
    const changes = await openCdcSource(config, options, context);
    changes.watch(changes.statusIntervalMs);
    return new SnapshotSource(opened, changes.identity, changes);
  }
  const client = await openClient(config, options, { name: `sluice ${context.pipeline}`, signal: context.signal });
  try {
    await namedTables(client, config.tables);
    return new SnapshotSource(opened, await identityOf(client), undefined);
  } finally {
    await endClient(client);
  }
}

/** Whether the tables are there; makes nothing. */
export async function checkSnapshotSource(
  config: CdcSourceSettings & { readonly snapshot: 'only' },
  options: PostgresOptions,
  signal: AbortSignal,
): Promise<void> {
  const client = await openClient(config, options, { name: 'sluice check', signal });
  try {
    await namedTables(client, config.tables);
  } finally {
    await endClient(client);
  }
}

/** The same as the identity that a connection for replication tells. */
async function identityOf(client: Client): Promise<string> {
  const sql =
    'select system_identifier::text as system, pg_catalog.current_database() as database from pg_catalog.pg_control_system()';
  const [row] = (await client.query<{ system: string; database: string }>(sql)).rows;
  return `${row?.system}/${row?.database}`;
}

function withoutChanges(): ConnectorError {
  return new ConnectorError(
    'position_lost',
    'the rows were read with snapshot "only", and the changes since are gone. Reset the position to read them anew',
  );
}

/** A batch in which only the position moves. */
function moved(position: Position, lag: number | undefined): SourceBatch {
  return { messages: [], position, bytes: 0, ...(lag === undefined ? {} : { lag }) };
}

class SnapshotSource implements SourceDriver {
  readonly identity: string;
  readonly #opened: Opened;
  readonly #changes: CdcSource | undefined;
  readonly #closing = new AbortController();
  readonly #connections: TurnQueue;
  readonly #chunks = new SnapshotChunks();
  #plan: SnapshotPlan | undefined;
  /** Whether nothing can have been given out before this driver has made the plan. */
  #isFresh = false;
  /** Where in the log changes begin that no snapshot has seen; undefined before they are read. */
  #until: bigint | undefined;

  constructor(opened: Opened, identity: string, changes: CdcSource | undefined) {
    this.#opened = opened;
    this.identity = identity;
    this.#changes = changes;
    this.#connections = new TurnQueue(opened.config.snapshotConnections);
  }

  async *partitions(signal: AbortSignal): AsyncGenerator<readonly string[]> {
    const chunks = this.#chunks;
    // So that what is next can be read while what was read is stored.
    const count = 2 * this.#opened.config.snapshotConnections;
    yield [planPartition];
    await chunks.until(() => chunks.isPlanned, signal);
    if (signal.aborted) return;
    if (chunks.isOver) {
      yield [changesPartition];
      return;
    }
    for (let open = chunks.open(count); open.length > 0; open = chunks.open(count)) {
      yield [planPartition, ...open];
      if (this.#changes === undefined && chunks.areAll(open)) return;
      const before = open.join();
      await chunks.until(() => chunks.open(count).join() !== before, signal);
      if (signal.aborted) return;
    }
    if (this.#changes !== undefined) yield [planPartition, changesPartition];
  }

  read(partition: string, position: Position | undefined, options: ReadOptions): AsyncIterable<SourceBatch> {
    if (partition === planPartition) return this.#readPlan(position, options);
    if (partition === changesPartition && this.#changes !== undefined)
      return this.#readChanges(this.#changes, position, options);
    return this.#readChunk(partition, position, options);
  }

  async commit(partition: string, position: Position): Promise<void> {
    if (partition === changesPartition) {
      await this.#changes?.commit(partition, position);
      this.#pass(position);
    } else if (partition !== planPartition && this.#plan !== undefined)
      this.#chunks.store(partition, parseChunkPosition(position, this.#plan.id));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#changes?.close();
  }

  async *#readPlan(position: Position | undefined, options: ReadOptions): AsyncGenerator<SourceBatch> {
    const stored = position === undefined ? undefined : parsePlanPosition(position);
    if (position !== undefined && stored === undefined) return this.#chunks.over();
    if (stored !== undefined && stored.lsn === undefined && this.#changes !== undefined) throw withoutChanges();
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    const plan = stored ?? this.#plan ?? (await this.#makePlan(signal));
    if (stored === undefined) yield moved(toPlanPosition(plan), this.#changes?.waitingBytes);
    this.#plan = plan;
    this.#chunks.plan = plan;
    if (this.#changes === undefined) return;
    yield* this.#tellLag(plan, this.#changes, signal);
    await this.#chunks.until(() => this.#chunks.isOver, signal);
    if (!signal.aborted) yield moved(snapshotOver, 0);
  }

  /** Rows do not tell how much log waits behind them: their plan does, until changes tell it themselves. */
  async *#tellLag(plan: SnapshotPlan, changes: CdcSource, signal: AbortSignal): AsyncGenerator<SourceBatch> {
    const areRead = (): boolean => this.#chunks.areAll([]);
    while (!signal.aborted && !areRead()) {
      await this.#chunks.until(areRead, AbortSignal.any([signal, AbortSignal.timeout(changes.statusIntervalMs)]));
      if (!signal.aborted) yield moved(toPlanPosition(plan), areRead() ? 0 : changes.waitingBytes);
    }
  }

  /** Of which the rows are read; undefined where tables are read as they are. */
  get #publication(): string | undefined {
    const { config } = this.#opened;
    return config.snapshot === 'only' ? undefined : config.publication;
  }

  async #makePlan(signal: AbortSignal): Promise<SnapshotPlan> {
    const { config } = this.#opened;
    // The slot first: whatever no snapshot sees is a change that it keeps.
    const slot = await this.#changes?.ready(signal);
    const plan = await this.#connected(signal, (client) =>
      makePlan(client, {
        publication: this.#publication,
        tables: config.tables ?? [],
        lsn: slot?.lsn,
        since: slot?.isNew === false ? seesNothing : undefined,
        chunkRows: config.snapshotChunkRows,
      }),
    );
    this.#isFresh = slot?.isNew !== false;
    return plan;
  }

  async *#readChunk(name: string, position: Position | undefined, options: ReadOptions): AsyncGenerator<SourceBatch> {
    const found = this.#chunks.find(name);
    if (found === undefined || this.#plan === undefined) throw new ConnectorError('internal', `no chunk "${name}"`);
    const { id: plan, since } = this.#plan;
    const stored = position === undefined ? undefined : parseChunkPosition(position, plan);
    const from: ChunkPosition = stored ?? { plan, rows: 0, parts: [], since, lsn: 0n };
    this.#chunks.begin(name, from);
    if (isWhole(from)) return;
    if (options.start === 'latest') {
      const none: ChunkPosition = {
        ...from,
        parts: [{ to: undefined, snapshot: seesNothing, since: undefined, rows: 0 }],
      };
      this.#chunks.begin(name, none);
      yield { messages: [], position: toChunkPosition(none), bytes: 0 };
      return;
    }
    const { config, context } = this.#opened;
    const isRepeated = stored !== undefined || !this.#isFresh || !found.isFirst;
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    const leave = await this.#connections.take(signal);
    const client = await this.#connect(signal).catch((error: unknown) => {
      leave();
      throw error;
    });
    const giveUp = (): void => void client.connection.stream.destroy();
    signal.addEventListener('abort', giveUp);
    try {
      const request = { chunk: found.chunk, publication: this.#publication, from, isRepeated, options };
      const notice = (text: string): void => context.notice(text);
      for await (const batch of readChunk(client, { ...request, silentMs: config.statementTimeoutMs, notice })) {
        this.#chunks.give(name, parseChunkPosition(batch.position, plan));
        yield batch;
      }
      this.#chunks.end(name);
    } finally {
      signal.removeEventListener('abort', giveUp);
      await endClient(client);
      leave();
    }
  }

  #readChanges(changes: CdcSource, position: Position | undefined, options: ReadOptions): AsyncIterable<SourceBatch> {
    const lsn = this.#plan?.lsn;
    if (this.#plan === undefined || lsn === undefined) return changes.read(changesPartition, position, options);
    const begin = options.start === undefined ? toPosition({ lsn, rows: 0 }) : undefined;
    const rules = this.#chunks.rules(this.#opened.context.atomic === true);
    this.#until = rules.until;
    if (position !== undefined) this.#pass(position);
    return changes.read(changesPartition, position ?? begin, options, rules);
  }

  /** Changes are stored downstream up to a position. */
  #pass(position: Position): void {
    if (this.#until !== undefined && parsePosition(position).lsn >= this.#until) this.#chunks.over();
  }

  async #connected<T>(signal: AbortSignal, task: (client: Client) => Promise<T>): Promise<T> {
    const client = await this.#connect(signal);
    try {
      return await breakAtAbort(client, signal, () => task(client));
    } finally {
      await endClient(client);
    }
  }

  async #connect(signal: AbortSignal): Promise<Client> {
    const { config, options, context } = this.#opened;
    const name = `sluice ${context.pipeline}`;
    return await openClient(config, options, { name, signal, serverSettings: textSettings });
  }
}
