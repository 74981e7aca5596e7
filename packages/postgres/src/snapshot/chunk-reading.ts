import { ConnectorError, type Message, type ReadOptions, type SourceBatch } from '@sluice/core/driver';
import type { Client } from 'pg';
import { formatLsn, parseLsn } from '../changes/lsn.js';
import { stateOf } from '../error.js';
import { quoted } from '../identifier.js';
import { type TransactionMark, toSnapshotMessage } from '../rows/change-message.js';
import { keyOperatorsSql } from '../rows/key-operators.js';
import { type ChunkPart, type ChunkPosition, type KeyTexts, toChunkPosition } from './chunk-position.js';
import { CopyRows, CopyTexts, textsOfRow } from './copy-text.js';
import { fromTable, type ReadScope, type ReadShape, type ReadTable, readShape, readTable } from './read-table.js';
import type { Chunk, KeyColumn } from './snapshot-plan.js';

/** What is to be read. */
export interface ChunkRequest extends ReadScope {
  readonly chunk: Chunk;
  /** How far it was delivered. */
  readonly from: ChunkPosition;
  /** Whether its rows may have been given out in the snapshot `from.since`. */
  readonly isRepeated: boolean;
  readonly options: ReadOptions;
  /** How long the server may be silent, in ms; 0: as long as it wants. */
  readonly silentMs: number;
  readonly notice: (text: string) => void;
}

/** What a message needs in memory beside its text, as with changes. */
const bytesPerRow = 160;
const bytesPerColumn = 32;

/** A transaction that sees one state of the tables, and what it is about to read. */
interface Opened {
  readonly snapshot: string;
  readonly lsn: bigint;
  readonly mark: TransactionMark;
  /** Undefined when the table is gone. */
  readonly table: (ReadTable & ReadShape) | undefined;
}

/** Reads the rows of a chunk that were not delivered yet, in one snapshot. The connection is the caller's to close. */
export async function* readChunk(client: Client, request: ChunkRequest): AsyncGenerator<SourceBatch> {
  const opened = await openTransaction(client, request);
  const batches = new ChunkBatches(request, opened);
  if (opened.table === undefined) request.notice(`${request.chunk.table.name} is gone, and its rows with it`);
  else {
    const { to } = await import('pg-copy-streams');
    await setBounds(client, request);
    const data = client.query(to(copySql(opened.table, request)))[Symbol.asyncIterator]();
    const texts = new CopyTexts();
    for (let next = await heard(data, client, request); next.done !== true; next = await heard(data, client, request)) {
      yield* batches.add(texts.add(next.value as Buffer)); // it is no stream of text
    }
  }
  yield batches.last();
}

/** What the server sends next. A server that sends nothing is given up. */
async function heard<T>(
  data: AsyncIterator<T>,
  client: Client,
  { silentMs, chunk }: ChunkRequest,
): Promise<IteratorResult<T>> {
  let isSilent = false;
  const giveUp = (): void => {
    isSilent = true;
    client.connection.stream.destroy();
  };
  const timer = silentMs === 0 ? undefined : setTimeout(giveUp, silentMs);
  try {
    return await data.next();
  } catch (error) {
    if (!isSilent) throw error;
    const text = `the server sent nothing of ${chunk.table.name} for ${silentMs / 1000} s. Raise statementTimeoutMs if it needs longer`;
    throw new ConnectorError('timeout', text, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

const stateSql = `
  select pg_catalog.pg_current_snapshot()::text as snapshot, extract(epoch from pg_catalog.clock_timestamp())::text as time,
    case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn() else pg_catalog.pg_current_wal_insert_lsn() end::text as lsn`;

async function openTransaction(client: Client, request: ChunkRequest): Promise<Opened> {
  const { id } = request.chunk.table;
  const found = await readTable(client, id, request);
  await client.query('begin isolation level repeatable read read only');
  // Changes come of all rows, so those that a policy hides must not be left out without a word.
  if (request.publication !== undefined) await client.query('set local row_security = off');
  const isLocked = found !== undefined && (await lock(client, found));
  const [state] = (await client.query<{ snapshot: string; time: string; lsn: string }>(stateSql)).rows;
  if (state === undefined) throw new ConnectorError('internal', 'the server did not tell its snapshot');
  // Nobody can change the table any more, but before the lock it may have got another name.
  const table = isLocked ? await readTable(client, id, request) : undefined;
  const shape = table === undefined ? undefined : await readShape(client, table);
  if (table !== undefined && shape !== undefined) check(request.chunk, { ...table, ...shape }, found);
  const lsn = parseLsn(state.lsn);
  return {
    snapshot: state.snapshot,
    lsn,
    mark: markOf(lsn, state.time),
    table: table === undefined || shape === undefined ? undefined : { ...table, ...shape },
  };
}

/** Before the snapshot is taken, so that the table looks in the catalog as its rows do. False: it is gone. */
async function lock(client: Client, table: ReadTable): Promise<boolean> {
  if (table.kind === 'm') return true; // the server knows no lock for it
  await client.query('savepoint before_lock');
  try {
    await client.query(`lock table ${fromTable(table)} in access share mode`);
    return true;
  } catch (error) {
    if (stateOf(error) !== '42P01' && stateOf(error) !== '3F000') throw error;
    await client.query('rollback to savepoint before_lock');
    return false;
  }
}

function check({ table: { name, key } }: Chunk, now: ReadTable & ReadShape, locked: ReadTable | undefined): void {
  if (locked?.name !== now.name || locked.schema !== now.schema)
    throw new ConnectorError('conflict', `${name} was renamed in the same moment`);
  if (JSON.stringify(key) === JSON.stringify(now.key)) return;
  throw new ConnectorError(
    'position_lost',
    `the key of ${name} has changed while its rows were read. Reset the position, or set onPositionLost to read the tables anew`,
  );
}

/** COPY takes no parameters: the keys between which it reads are settings of the transaction. */
async function setBounds(client: Client, { chunk, from }: ChunkRequest): Promise<void> {
  const bounds = { after: from.parts.at(-1)?.to ?? chunk.after, upto: chunk.to };
  for (const [name, texts = []] of Object.entries(bounds))
    for (const [index, text] of texts.entries())
      await client.query('select pg_catalog.set_config($1, $2, true)', [setting(name, index), text]);
  await client.query(keyOperatorsSql, [chunk.table.key.map(({ type }) => type), true]);
  await client.query('set local statement_timeout = 0');
}

function setting(name: string, index: number): string {
  return `sluice.${name}_${index}`;
}

function copySql(table: ReadTable & ReadShape, { chunk, from }: ChunkRequest): string {
  const { key } = table;
  const conditions = [
    ...(table.filter === null ? [] : [`(${table.filter})`]),
    ...(from.parts.length === 0 && chunk.after === undefined ? [] : [comparison(key, '>', 'after')]),
    ...(chunk.to === undefined ? [] : [comparison(key, '<=', 'upto')]),
  ];
  const where = conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`;
  const order = key.length === 0 ? '' : ` order by ${names(key)}`;
  return `copy (select ${names(table.shape.columns)} from ${fromTable(table)}${where}${order}) to stdout`;
}

function names(columns: readonly { readonly name: string }[]): string {
  return columns.map(({ name }) => quoted(name)).join(', ');
}

function comparison(key: readonly KeyColumn[], operator: string, bound: string): string {
  const values = key.map(({ type }, index) => `pg_catalog.current_setting('${setting(bound, index)}')::${type}`);
  return `(${names(key)}) ${operator} (${values.join(', ')})`;
}

/** What the messages of a chunk have in common. */
function markOf(lsn: bigint, seconds: string): TransactionMark {
  const [whole = '', fraction = ''] = seconds.split('.');
  const micros = fraction.padEnd(6, '0');
  const timestamp = Number(whole) * 1000 + Number(micros.slice(0, 3));
  const time = new Date(timestamp).toISOString().replace('Z', `${micros.slice(3)}Z`);
  const headers = [
    ['lsn', formatLsn(lsn)],
    ['commitTime', time],
  ] as const;
  return { headers, timestamp };
}

/** Gathers rows into batches, of which the last one says that the chunk is whole. */
class ChunkBatches {
  readonly #request: ChunkRequest;
  readonly #opened: Opened;
  readonly #overhead: number;
  #messages: Message[] = [];
  /** Where the text of each of them is: its key is needed as the server wrote it, but almost never. */
  #texts: string[] = [];
  #starts: number[] = [];
  #bytes = 0;
  #rows: number;

  constructor(request: ChunkRequest, opened: Opened) {
    this.#request = request;
    this.#opened = opened;
    this.#overhead = bytesPerRow + bytesPerColumn * (opened.table?.shape.columns.length ?? 0);
    this.#rows = request.from.rows;
  }

  /** Adds whole rows. Gives a batch when there is more than fits into one. */
  *add(text: string): Generator<SourceBatch> {
    const { table, mark } = this.#opened;
    if (table === undefined) return;
    const { shape } = table;
    const { maxMessages, maxBytes } = this.#request.options;
    const rows = new CopyRows(text, shape);
    for (let payload = rows.next(); payload !== undefined; payload = rows.next()) {
      const bytes = rows.length + this.#overhead;
      const count = this.#messages.length;
      if (count > 0 && (count >= maxMessages || this.#bytes + bytes > maxBytes)) yield this.#cut(false);
      this.#messages.push(toSnapshotMessage(shape, payload, mark));
      this.#texts.push(text);
      this.#starts.push(rows.start);
      this.#bytes += bytes;
    }
  }

  last(): SourceBatch {
    return this.#cut(true);
  }

  #cut(isLast: boolean): SourceBatch {
    const messages = this.#messages;
    const texts = this.#texts;
    const starts = this.#starts;
    const bytes = this.#bytes;
    const before = this.#rows;
    this.#messages = [];
    this.#texts = [];
    this.#starts = [];
    this.#bytes = 0;
    this.#rows += messages.length;
    const keyColumns = this.#opened.table?.shape.keyColumns ?? [];
    const positionAt = (index: number): SourceBatch['position'] => {
      const row = textsOfRow(texts[index] ?? '', starts[index] ?? 0);
      const key = keyColumns.map((column) => row[column] ?? '');
      return toChunkPosition(
        this.#position(before + index + 1, isLast && index + 1 === messages.length ? undefined : key),
      );
    };
    const position = isLast ? toChunkPosition(this.#position(this.#rows, undefined)) : positionAt(messages.length - 1);
    return { messages, position, bytes, positionAt };
  }

  /** Just after the row with a key; without one, at the end of the chunk. */
  #position(rows: number, key: KeyTexts | undefined): ChunkPosition {
    const { from, isRepeated } = this.#request;
    const { snapshot, lsn } = this.#opened;
    const since = isRepeated ? from.since : snapshot;
    const part = (to: KeyTexts | undefined): ChunkPart => ({
      to,
      snapshot,
      since: isRepeated ? since : undefined,
      rows: rows - from.rows,
    });
    const base = { plan: from.plan, since, lsn };
    // Without a key there is no place in a table to go on from.
    if (key?.length === 0) return { ...base, rows, parts: [] };
    return { ...base, rows, parts: [...from.parts, part(key)] };
  }
}
