import { ConnectorError, type Position, z } from '@sluice/core/driver';
import { formatLsn, parseLsn } from '../changes/lsn.js';
import type { KeyTexts } from './chunk-position.js';

/** A column of a key, and how its values are compared. */
export interface KeyColumn {
  readonly name: string;
  /** Quoted name of its type, without modifiers. */
  readonly type: string;
  /** Quoted name of its collation; null: that of the database, or none. */
  readonly collation: string | null;
}

/** A table that is read in chunks. */
export interface PlannedTable {
  /** The server's id of it. */
  readonly id: number;
  /** Its name when the plan was made, as messages carry it. */
  readonly name: string;
  /** Empty: it has none and is read whole. */
  readonly key: readonly KeyColumn[];
  /** The last key of every chunk but the last one. */
  readonly bounds: readonly KeyTexts[];
}

/** What a snapshot reads: fixed when it begins, and kept as the position of its own partition. */
export interface SnapshotPlan {
  readonly id: string;
  /** Where the changes begin; undefined where none are read. */
  readonly lsn: bigint | undefined;
  /** The earliest snapshot of the server in which rows may have been given out. */
  readonly since: string;
  readonly tables: readonly PlannedTable[];
}

/** A range of keys of one table, read as a partition. */
export interface Chunk {
  /** Name of the partition: `public.orders/3`. */
  readonly name: string;
  readonly table: PlannedTable;
  /** The last key before it; undefined for the first chunk. */
  readonly after: KeyTexts | undefined;
  /** Its last key; undefined for the last chunk. */
  readonly to: KeyTexts | undefined;
}

/** All chunks, in the order in which they are read. */
export function chunksOf({ tables }: SnapshotPlan): readonly Chunk[] {
  return tables.flatMap((table) =>
    Array.from({ length: table.bounds.length + 1 }, (_, index) => ({
      name: `${table.name}/${index + 1}`,
      table,
      after: table.bounds[index - 1],
      to: table.bounds[index],
    })),
  );
}

const keyTexts = z.array(z.string());
const storedPlan = z.strictObject({
  id: z.string(),
  lsn: z.string().nullable(),
  since: z.string(),
  tables: z.array(
    z.strictObject({
      id: z.int(),
      name: z.string(),
      key: z.array(z.strictObject({ name: z.string(), type: z.string(), collation: z.string().nullable() })),
      bounds: z.array(keyTexts),
    }),
  ),
});

/** The position after which no snapshot is needed any more: changes have passed all that it saw. */
export const snapshotOver: Position = { over: true };

/** As the engine stores it. */
export function toPlanPosition({ id, lsn, since, tables }: SnapshotPlan): Position {
  return {
    id,
    lsn: lsn === undefined ? null : formatLsn(lsn),
    since,
    tables: tables.map(({ key, ...table }) => ({ ...table, key: key.map((column) => ({ ...column })) })),
  };
}

/**
 * Undefined for {@link snapshotOver}.
 *
 * @throws {ConnectorError} `position_lost` when it is none of a snapshot
 */
export function parsePlanPosition(position: Position): SnapshotPlan | undefined {
  if (JSON.stringify(position) === JSON.stringify(snapshotOver)) return undefined;
  const result = storedPlan.safeParse(position);
  if (result.success) {
    const { lsn, ...plan } = result.data;
    return { ...plan, lsn: lsn === null ? undefined : parseLsn(lsn) };
  }
  throw new ConnectorError(
    'position_lost',
    'the stored position is not one of a snapshot. Reset the position, or set onPositionLost to read the tables anew',
  );
}
