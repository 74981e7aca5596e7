import { quoted } from '../identifier.js';
import type { TextClient } from '../text-client.js';
import { isTime, type OrderColumn, type PollTarget } from './poll-target.js';

/** Which transactions are under way. */
export interface Horizon {
  /** Every transaction with a lower id is over. */
  readonly xmin: bigint;
  /** No transaction with this id or a higher one has begun to write. */
  readonly xmax: bigint;
  /** Transactions of this database that are open, also those that have written nothing yet and have no id. */
  readonly open: ReadonlySet<string>;
  /** The largest cursor value that can be seen, of times the largest that is not in the future; undefined when there is none. */
  readonly newest: string | undefined;
}

// VACUUM is an open transaction for hours, and writes no rows. Sessions of other users show their database, and little else.
const openSql = `select l.virtualtransaction from pg_catalog.pg_locks l
  left join pg_catalog.pg_stat_activity a on a.pid = l.pid
  where l.locktype = 'virtualxid' and l.pid <> pg_catalog.pg_backend_pid()
    and (a.datid is null or a.datid = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
    and l.pid not in (select pid from pg_catalog.pg_stat_progress_vacuum)`;

/** Looks at the transactions and the newest row. */
export async function lookAround(
  client: TextClient,
  { from, order: [cursor] }: PollTarget,
  parameters: readonly unknown[],
): Promise<Horizon> {
  const column = `t.${quoted(cursor?.name ?? '')}`;
  const isPast = pastOnly(cursor);
  const sql = `select pg_catalog.pg_snapshot_xmin(s)::text as xmin, pg_catalog.pg_snapshot_xmax(s)::text as xmax,
    pg_catalog.to_json(array(${openSql})) as open,
    (select ${column} from ${from} as t where ${column} is not null${isPast} order by ${column} desc limit 1) as newest
    from pg_catalog.pg_current_snapshot() as s`;
  const row = await client.one(sql, parameters);
  const open = JSON.parse(row?.['open'] ?? '[]') as string[]; // an array of texts
  return {
    xmin: BigInt(row?.['xmin'] ?? 0),
    xmax: BigInt(row?.['xmax'] ?? 0),
    open: new Set(open),
    newest: row?.['newest'] ?? undefined,
  };
}

/** Rows of the future say nothing about what is still to come. */
function pastOnly(cursor: OrderColumn | undefined): string {
  return cursor !== undefined && isTime(cursor.type) ? ` and t.${quoted(cursor.name)} <= pg_catalog.now()` : '';
}

/** The last row there is, by the values of its order columns; null when there is none. */
export async function lastPlace(
  client: TextClient,
  target: PollTarget,
  parameters: readonly unknown[],
): Promise<readonly string[] | null> {
  return await last(client, target, { parameters, condition: '' });
}

/** The same without rows of the future. */
export async function lastPastPlace(
  client: TextClient,
  target: PollTarget,
  parameters: readonly unknown[],
): Promise<readonly string[] | null> {
  return await last(client, target, { parameters, condition: pastOnly(target.order[0]) });
}

async function last(
  client: TextClient,
  { from, order }: PollTarget,
  { parameters, condition }: { readonly parameters: readonly unknown[]; readonly condition: string },
): Promise<readonly string[] | null> {
  const columns = order.map(({ name }) => `t.${quoted(name)}`);
  const present = columns.map((column) => `${column} is not null`).join(' and ');
  const by = columns.map((column) => `${column} desc`).join(', ');
  const sql = `select ${columns.join(', ')} from ${from} as t where ${present}${condition} order by ${by} limit 1`;
  const [row] = (await client.query(sql, parameters)).rows;
  return row === undefined ? null : row.map((value) => value ?? '');
}

/**
 * Finds the cursor value below which everything is there: rows below it can only come from transactions that were open when it
 * was the newest one, because those that begin later draw larger values; and all of these are over.
 */
export class SettledCursor {
  #value: string | undefined;
  #waiting: { readonly value: string; readonly open: ReadonlySet<string>; over?: bigint } | undefined;

  /** Undefined while nothing is known. */
  get value(): string | undefined {
    return this.#value;
  }

  /** What will be settled next. */
  get next(): string | undefined {
    return this.#waiting?.value;
  }

  look({ xmin, xmax, open, newest }: Horizon): void {
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      // All are over; those that wrote have an id below that of the next one to come.
      if (waiting.over === undefined && [...waiting.open].every((one) => !open.has(one))) waiting.over = xmax;
      // Over by this look is not enough: one that was prepared has left the list and goes on.
      if (waiting.over === undefined || xmin < waiting.over) return;
      this.#value = waiting.value;
    }
    this.#waiting = newest === undefined ? undefined : { value: newest, open };
  }
}
