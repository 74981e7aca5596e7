import { ConnectorError } from '@sluice/core/driver';
import type { OldRow, PgoutputMessage, Relation, Tuple } from '../changes/pgoutput.js';
import type { Received } from '../changes/received-queue.js';
import type { ReplicationStream } from '../changes/replication.js';
import type { KeyTexts } from './chunk-position.js';
import { type Ask, placesOf } from './key-places.js';
import { type ServerSnapshot, sees } from './server-snapshot.js';
import type { KeyColumn } from './snapshot-plan.js';
import { withStoredValues } from './stored-values.js';

/** A range of keys, and the snapshot in which its rows were read. */
export interface ReadRange {
  /** Its last key; undefined for the last range. */
  readonly to: KeyTexts | undefined;
  readonly snapshot: ServerSnapshot | undefined;
  /** Whether it had no rows. */
  readonly isEmpty: boolean;
}

/** A table whose rows were read. */
export interface FilteredTable {
  readonly name: string;
  readonly key: readonly KeyColumn[];
  /** All keys, in their order. */
  readonly ranges: readonly ReadRange[];
}

/** What rows that were read say about changes. */
export interface ChangeFilterRules {
  /** By the server's id. */
  readonly tables: ReadonlyMap<number, FilteredTable>;
  /** From here on in the log, nothing is visible in any of the snapshots. */
  readonly until: bigint;
}

/** A message of the server, or a row that is not to be told. */
export type FilteredMessage = PgoutputMessage | { readonly kind: 'seen' };

/** What comes from the server, with changes that are not to be told. */
export type Filtered =
  | Received
  | { readonly kind: 'change'; readonly message: FilteredMessage; readonly bytes: number };

/** How much is looked at in one go. */
const maxGathered = 1000;

/** A change whose key decides. */
interface Open {
  readonly table: FilteredTable;
  /** Whether each range saw the transaction. */
  readonly seen: readonly boolean[];
  readonly oldKey: KeyTexts | undefined;
  readonly newKey: KeyTexts | undefined;
  readonly change: Received & { readonly kind: 'change' };
}

/**
 * Takes changes out of the stream that rows which were read show already: a change of a key is one if its transaction is visible
 * in the snapshot in which the range of that key was read.
 */
export class ChangeFilter {
  readonly #rules: ChangeFilterRules;
  readonly #ask: Ask;
  readonly #relations = new Map<number, Relation>();
  #seen = new Map<FilteredTable, readonly boolean[]>();
  #transactionId = 0;
  #isOver = false;
  #ready: Filtered[] = [];
  #head = 0;

  constructor(rules: ChangeFilterRules, ask: Ask) {
    this.#rules = rules;
    this.#ask = ask;
  }

  /** Whether the rest of the stream needs no filter. */
  get isOver(): boolean {
    return this.#isOver && this.#head === this.#ready.length;
  }

  /** The next thing that came; undefined when nothing waits. */
  async take(stream: ReplicationStream): Promise<Filtered | undefined> {
    if (this.#head === this.#ready.length) {
      this.#ready = await this.#gather(stream);
      this.#head = 0;
    }
    const next = this.#ready[this.#head];
    if (next !== undefined) this.#head++;
    return next;
  }

  async #gather(stream: ReplicationStream): Promise<Filtered[]> {
    const gathered: (Filtered | Open)[] = [];
    while (gathered.length < maxGathered && !this.#isOver) {
      const received = stream.take();
      if (received === undefined) break;
      if (received.kind === 'keepalive') gathered.push(received);
      else gathered.push(...this.#judge(received.message, received));
    }
    return await this.#decide(gathered);
  }

  /** What is said of a change without asking for the place of its key. */
  #judge(message: PgoutputMessage, change: Received & { kind: 'change' }): readonly (Filtered | Open)[] {
    switch (message.kind) {
      case 'begin':
        this.#transactionId = message.transactionId;
        this.#seen = new Map();
        this.#isOver = message.commitLsn >= this.#rules.until;
        return [change];
      case 'relation':
        this.#relations.set(message.id, message);
        return [change];
      case 'insert':
      case 'update':
      case 'delete':
        return [this.#judgeRow(message, change)];
      case 'truncate':
        return message.relations.map((id) => this.#judgeTruncate(id, change));
      default:
        return [change];
    }
  }

  #judgeRow(
    message: PgoutputMessage & { readonly kind: 'insert' | 'update' | 'delete' },
    change: Received & { kind: 'change' },
  ): Filtered | Open {
    const table = this.#rules.tables.get(message.relation);
    const relation = this.#relations.get(message.relation);
    if (table === undefined || relation === undefined) return change;
    const seen = this.#seenBy(table);
    if (!seen.includes(true)) return change;
    if (!seen.includes(false)) return asSeen(change);
    const row = message.kind === 'delete' ? undefined : message.row;
    const old = message.kind === 'insert' ? undefined : message.old;
    const newKey = row && keyTexts(relation, table.key, row, old);
    const oldKey = old && keyTexts(relation, table.key, old.row, undefined);
    return { table, seen, oldKey, newKey, change };
  }

  #judgeTruncate(id: number, change: Received & { kind: 'change' }): Filtered {
    const table = this.#rules.tables.get(id);
    const alone: Filtered = { ...change, message: { kind: 'truncate', relations: [id] } };
    if (table === undefined) return alone;
    const seen = this.#seenBy(table);
    if (!seen.includes(true)) return alone;
    if (!seen.includes(false)) return asSeen(change);
    // It takes away what was read before it; of what was read after it, there must be nothing.
    if (table.ranges.every(({ isEmpty }, index) => isEmpty || seen[index] === false)) return alone;
    throw new ConnectorError(
      'unsupported',
      `${table.name} was truncated and filled again while its rows were read, after some of them and before others. Empty what the tables were written to, run "sluice positions reset", and start again: the tables are then read anew`,
    );
  }

  #seenBy(table: FilteredTable): readonly boolean[] {
    const known = this.#seen.get(table);
    if (known !== undefined) return known;
    const seen = table.ranges.map(({ snapshot }) => sees(snapshot, this.#transactionId));
    this.#seen.set(table, seen);
    return seen;
  }

  async #decide(gathered: readonly (Filtered | Open)[]): Promise<Filtered[]> {
    const open = gathered.filter((each) => 'table' in each);
    const seen = new Map<Open, { readonly old: boolean; readonly new: boolean }>();
    for (const table of new Set(open.map((each) => each.table))) {
      const ofTable = open.filter((each) => each.table === table);
      const keys = ofTable.flatMap(({ oldKey, newKey }) => [oldKey, newKey]).filter((key) => key !== undefined);
      const bounds = table.ranges.flatMap(({ to }) => (to === undefined ? [] : [to]));
      const places = (await placesOf(this.#ask, table.key, bounds, keys))[Symbol.iterator]();
      for (const each of ofTable) {
        const isSeen = (key: KeyTexts | undefined): boolean | undefined =>
          key === undefined ? undefined : each.seen[places.next().value ?? 0];
        const old = isSeen(each.oldKey);
        const now = isSeen(each.newKey);
        seen.set(each, { old: old ?? now ?? false, new: now ?? old ?? false });
      }
    }
    const left: Filtered[] = [];
    for (const each of gathered)
      left.push('table' in each ? await this.#complete(each, decided(each, seen.get(each))) : each);
    return left;
  }

  /** A row that has moved to where it was not read needs all of its values. */
  async #complete({ table, newKey }: Open, left: Filtered): Promise<Filtered> {
    if (left.kind === 'keepalive' || left.message.kind !== 'insert' || newKey === undefined) return left;
    const relation = this.#relations.get(left.message.relation);
    if (relation === undefined) return left;
    const row = await withStoredValues(this.#ask, relation, table.key, { row: left.message.row, newKey });
    return { ...left, message: { ...left.message, row } };
  }
}

/** What is left of a change, when its old and its new key lie in ranges that have seen it or not. */
function decided({ change }: Open, seen: { readonly old: boolean; readonly new: boolean } | undefined): Filtered {
  if (seen === undefined || (!seen.old && !seen.new)) return change;
  const { message } = change;
  if ((seen.old && seen.new) || message.kind !== 'update') return asSeen(change);
  // The row has moved from one range to another. Where it came from is up to date, or where it went to.
  const { relation, old } = message;
  const row = message.row.map((value, index) => (value === undefined && old?.kind === 'full' ? old.row[index] : value));
  if (seen.old) return { ...change, message: { kind: 'insert', relation, row } };
  return old === undefined ? change : { ...change, message: { kind: 'delete', relation, old } };
}

function asSeen({ bytes }: { readonly bytes: number }): Filtered {
  return { kind: 'change', message: { kind: 'seen' }, bytes };
}

/** The key of a row as text. A value that is stored away and did not change is taken from the old row. */
function keyTexts(
  { columns }: Relation,
  key: readonly KeyColumn[],
  row: Tuple,
  old: OldRow | undefined,
): KeyTexts | undefined {
  const texts = key.map(({ name }) => {
    const index = columns.findIndex((column) => column.name === name);
    return row[index] ?? old?.row[index];
  });
  return texts.every((text) => typeof text === 'string') ? texts : undefined;
}
