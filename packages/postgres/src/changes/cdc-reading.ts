import { ConnectorError, type Position, type SourceBatch } from '@sluice/core/driver';
import { type RowChange, type TransactionMark, toChangeMessage } from '../rows/change-message.js';
import type { TableShape } from '../rows/table-shape.js';
import type { ChangeFilter, Filtered } from '../snapshot/change-filter.js';
import { type CdcPosition, parsePosition, toPosition } from './cdc-position.js';
import { formatLsn } from './lsn.js';
import type { Begin, Relation } from './pgoutput.js';
import { postgresEpochMs, type ReplicationStream } from './replication.js';
import { type BatchLimits, TransactionBatches } from './transaction-batches.js';

/** What a reading needs of the source that it belongs to. */
export interface CdcSurroundings {
  /** Asks the catalog. */
  shapeOf(relation: Relation): Promise<TableShape>;
  /** The end of the server's log, as far as it is known. */
  serverLsn(): bigint;
  /** How often a position may move that no message comes with. */
  readonly moveIntervalMs: number;
  /** What rows that were read before already show; undefined: nothing. */
  readonly filter: ChangeFilter | undefined;
}

/** Where a reading begins. */
export interface CdcStart extends CdcPosition {
  /** Whether nothing keeps the position yet. */
  readonly isNew: boolean;
}

/** What decoded rows need in memory beside their text: a message, an object, and a value for each column. */
const bytesPerRow = 160;
const bytesPerColumn = 32;

/** One stretch of reading a slot. */
export class CdcReading {
  readonly #stream: ReplicationStream;
  readonly #surroundings: CdcSurroundings;
  readonly #from: CdcStart;
  readonly #batches: TransactionBatches;
  readonly #shapes = new Map<number, TableShape>();
  #filter: ChangeFilter | undefined;
  #mark: TransactionMark = { headers: [], timestamp: 0 };
  #movedAt = 0;
  #isUrgent = false;
  /** Ends of transactions at which batches have ended and that are not confirmed, in order. */
  #ends: bigint[] = [];

  constructor(stream: ReplicationStream, from: CdcStart, limits: BatchLimits, surroundings: CdcSurroundings) {
    this.#stream = stream;
    this.#from = from;
    this.#surroundings = surroundings;
    this.#filter = surroundings.filter;
    this.#batches = new TransactionBatches(from, limits);
  }

  /** Until the signal is aborted; the stream stays open for what is to be confirmed. */
  async *batches(signal: AbortSignal): AsyncGenerator<SourceBatch> {
    // So that there is a position from the start, and a slot that is made anew before the first change is found out.
    if (this.#from.isNew) yield this.#toYield({ messages: [], position: toPosition(this.#from), bytes: 0 });
    while (!signal.aborted) {
      const taking = this.#take();
      const received = taking instanceof Promise ? await taking : taking;
      if (received === undefined) {
        const batch = this.#batches.complete() ?? this.#move();
        if (batch === undefined) await this.#stream.wait(signal);
        else yield this.#toYield(batch);
        continue;
      }
      const working = this.#receive(received);
      if (working !== undefined) await working;
      for (let batch = this.#batches.full(); batch !== undefined; batch = this.#batches.full())
        yield this.#toYield(batch);
    }
  }

  #take(): Promise<Filtered | undefined> | Filtered | undefined {
    if (this.#filter?.isOver === true) this.#filter = undefined;
    return this.#filter === undefined ? this.#stream.take() : this.#filter.take(this.#stream);
  }

  /** Lets the slot forget whole transactions before a position. */
  confirm(position: Position): void {
    const { lsn, rows } = parsePosition(position);
    let passed = 0;
    while ((this.#ends[passed] ?? lsn + 1n) <= lsn) passed++;
    const end = rows === 0 ? lsn : this.#ends[passed - 1];
    this.#ends = this.#ends.slice(passed);
    if (end !== undefined) this.#stream.confirm(end);
  }

  /** Lets the next batch be this error. */
  fail(error: unknown): void {
    this.#stream.fail(error);
  }

  /** Idempotent. */
  stop(): Promise<void> {
    return this.#stream.stop();
  }

  /** Without messages, a position moves from time to time, or when the server waits for it to shut down. */
  #move(): SourceBatch | undefined {
    if (!this.#isUrgent && performance.now() - this.#movedAt < this.#surroundings.moveIntervalMs) return undefined;
    this.#isUrgent = false;
    return this.#batches.moved();
  }

  #toYield(batch: SourceBatch): SourceBatch {
    this.#movedAt = performance.now();
    const { lsn, rows } = parsePosition(batch.position);
    if (rows === 0) this.#ends.push(lsn);
    const behind = this.#surroundings.serverLsn() - lsn;
    return { ...batch, lag: behind > 0n ? Number(behind) : 0 };
  }

  #receive(message: Filtered): Promise<void> | undefined {
    switch (message.kind) {
      case 'keepalive':
        this.#batches.advance(message.lsn);
        this.#isUrgent ||= message.replyRequested;
        return undefined;
      case 'begin':
        this.#mark = markOf(message);
        this.#batches.begin(message.commitLsn, this.#mark);
        return undefined;
      case 'commit':
        this.#batches.commit(message.endLsn);
        return undefined;
      case 'relation':
        return this.#surroundings.shapeOf(message).then((shape) => void this.#shapes.set(message.id, shape));
      case 'row':
        this.#add(message.relation, message);
        return undefined;
      case 'truncate':
        for (const id of message.relations)
          this.#add(id, { operation: 'truncate', old: undefined, row: undefined, bytes: message.bytes });
        return undefined;
      case 'seen':
        if (!this.#batches.skip()) this.#batches.leaveOut();
        return undefined;
      default:
        return undefined;
    }
  }

  #add(relation: number, change: RowChange & { readonly bytes: number }): void {
    if (this.#batches.skip()) return;
    const shape = this.#shapes.get(relation);
    if (shape === undefined)
      throw new ConnectorError('internal', `the server sent a row of table ${relation} before it described the table`);
    const held = change.bytes + bytesPerRow + bytesPerColumn * shape.columns.length;
    this.#batches.add(toChangeMessage(shape, change, this.#mark), held);
  }
}

/** What the messages of a transaction say about it. */
function markOf({ commitLsn, commitTime, transactionId }: Begin): TransactionMark {
  const timestamp = Number(commitTime / 1000n + postgresEpochMs);
  const micros = String(commitTime % 1000n).padStart(3, '0');
  const time = new Date(timestamp).toISOString().replace('Z', `${micros}Z`);
  return {
    headers: [
      ['transactionId', transactionId],
      ['lsn', formatLsn(commitLsn)],
      ['commitTime', time],
    ],
    timestamp,
  };
}
