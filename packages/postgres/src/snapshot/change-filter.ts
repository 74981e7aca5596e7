import { ConnectorError } from '@sluice/core/driver';
import type { OldRow, Relation, RowMessage, Truncate, Tuple } from '../changes/pgoutput.js';
import type { Received, ReplicationStream } from '../changes/replication.js';
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

/** What comes from the server, with rows that are not to be told. */
export type Filtered = Received | Seen;

interface Seen {
  readonly kind: 'seen';
}

const seenRow: Seen = { kind: 'seen' };

/** How much is looked at in one go. */
const maxGathered = 1000;

/** A change whose key decides. */
interface Open {
  readonly table: FilteredTable;
  /** Whether each range saw the transaction. */
  readonly seen: readonly boolean[];
  readonly oldKey: KeyTexts | undefined;
  readonly newKey: KeyTexts | undefined;
  readonly change: RowMessage;
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
      gathered.push(...this.#judge(received));
    }
    return await this.#decide(gathered);
  }

  /** What is said of a change without asking for the place of its key. */
  #judge(message: Received): readonly (Filtered | Open)[] {
    switch (message.kind) {
      case 'begin':
        this.#transactionId = message.transactionId;
        this.#seen = new Map();
        this.#isOver = message.commitLsn >= this.#rules.until;
        return [message];
      case 'relation':
        this.#relations.set(message.id, message);
        return [message];
      case 'row':
        return [this.#judgeRow(message)];
      case 'truncate':
        return message.relations.map((id) => this.#judgeTruncate({ ...message, relations: [id] }, id));
      default:
        return [message];
    }
  }

  #judgeRow(change: RowMessage): Filtered | Open {
    const table = this.#rules.tables.get(change.relation);
    const relation = this.#relations.get(change.relation);
    if (table === undefined || relation === undefined) return change;
    const seen = this.#seenBy(table);
    if (!seen.includes(true)) return change;
    if (!seen.includes(false)) return seenRow;
    const { old, row } = change;
    const newKey = row && keyTexts(relation, table.key, row, old);
    const oldKey = old && keyTexts(relation, table.key, old.row, undefined);
    return { table, seen, oldKey, newKey, change };
  }

  /** Of one table, whose id is given. */
  #judgeTruncate(alone: Truncate, id: number): Filtered {
    const table = this.#rules.tables.get(id);
    if (table === undefined) return alone;
    const seen = this.#seenBy(table);
    if (!seen.includes(true)) return alone;
    if (!seen.includes(false)) return seenRow;
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
    if (left.kind !== 'row' || left.operation !== 'create' || left.row === undefined || newKey === undefined)
      return left;
    const relation = this.#relations.get(left.relation);
    if (relation === undefined) return left;
    return { ...left, row: await withStoredValues(this.#ask, relation, table.key, { row: left.row, newKey }) };
  }
}

/** What is left of a change, when its old and its new key lie in ranges that have seen it or not. */
function decided({ change }: Open, seen: { readonly old: boolean; readonly new: boolean } | undefined): Filtered {
  if (seen === undefined || (!seen.old && !seen.new)) return change;
  if ((seen.old && seen.new) || change.operation !== 'update') return seenRow;
  // The row has moved from one range to another. Where it came from is up to date, or where it went to.
  const { old } = change;
  if (!seen.old) return old === undefined ? change : { ...change, operation: 'delete', row: undefined };
  const row = change.row?.map((value, index) => (value === undefined && old?.kind === 'full' ? old.row[index] : value));
  return { ...change, operation: 'create', old: undefined, row };
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
