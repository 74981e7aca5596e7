import type { Checkpoint, StoredPosition } from '@sluice/core/driver';
import { ConnectorError } from '@sluice/core/driver';
import type { Session } from './session.js';

/** Fences of partitions, by their names in a checkpoint. */
export type Fences = ReadonlyMap<string, string>;

/** The table that holds the positions of pipelines whose sink writes to this database. */
export interface PositionTable {
  /** Its quoted name. */
  readonly name: string;
  readonly pipeline: string;
  /** Id of the sink in the pipeline. */
  readonly sink: string;
}

interface PositionRow {
  readonly partition: string;
  readonly fence: string;
  readonly position: StoredPosition | null;
}

/** Makes the table if it is missing. Asked for first: who may not create tables can use one that exists. */
export async function ensurePositionTable(session: Session, name: string): Promise<void> {
  const { rows } = await session.query<{ exists: boolean }>('SELECT to_regclass($1) IS NOT NULL AS exists', [name]);
  if (rows[0]?.exists) return;
  await session.query('BEGIN', []);
  await session.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`sluice ${name}`]);
  await session.run(`CREATE TABLE IF NOT EXISTS ${name} (
    pipeline text NOT NULL,
    sink text NOT NULL,
    partition text NOT NULL,
    fence bigint NOT NULL,
    position json,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, sink, partition)); COMMIT`);
}

/**
 * Raises the fence of partitions and reads their positions, in one statement. It waits for a commit that is under way, so that the
 * answer says whether that happened.
 */
export async function claimPositions(
  session: Session,
  { name, pipeline, sink }: PositionTable,
  partitions: readonly string[],
): Promise<{ readonly fences: Fences; readonly stored: Checkpoint }> {
  const { rows } = await session.query<PositionRow>(
    `INSERT INTO ${name} AS stored (pipeline, sink, partition, fence)
     SELECT $1, $2, claimed, 1 FROM unnest($3::text[]) AS claimed
     ON CONFLICT (pipeline, sink, partition) DO UPDATE SET fence = stored.fence + 1
     RETURNING partition, fence, position`,
    // In the same order in every process, so that two claims cannot block each other.
    [pipeline, sink, [...new Set(partitions)].sort()],
  );
  return {
    fences: new Map(rows.map(({ partition, fence }) => [partition, fence])),
    stored: checkpointOf(rows),
  };
}

/**
 * Stores positions under their fences, inside the transaction that is open. Partitions without a new one are only checked.
 *
 * @throws {ConnectorError} `fenced` when another instance has claimed one of them since
 */
export async function storePositions(
  session: Session,
  table: PositionTable,
  fences: Fences,
  moved: Checkpoint,
): Promise<void> {
  const { name, pipeline, sink } = table;
  const partitions = [...fences.keys()].sort();
  const { rowCount } = await session.query(
    `UPDATE ${name} AS stored SET position = coalesce(moved.position::json, stored.position), stored_at = now()
     FROM unnest($3::text[], $4::bigint[], $5::text[]) AS moved (partition, fence, position)
     WHERE stored.pipeline = $1 AND stored.sink = $2
       AND stored.partition = moved.partition AND stored.fence = moved.fence`,
    [
      pipeline,
      sink,
      partitions,
      partitions.map((partition) => fences.get(partition)),
      partitions.map((partition) => (moved[partition] === undefined ? null : JSON.stringify(moved[partition]))),
    ],
  );
  if (rowCount !== partitions.length) throw fencedError(table);
}

/**
 * Marks the transaction that is open as one that holds rows of these partitions, until it ends.
 * With {@link endHolders} a newer instance finds it, where an older one has stopped without ending it.
 */
export async function markPartitions(
  session: Session,
  table: PositionTable,
  partitions: readonly string[],
): Promise<void> {
  await session.query(
    'SELECT pg_advisory_xact_lock_shared(hashtextextended(mark, 0)) FROM unnest($1::text[]) AS mark',
    [marksOf(table, partitions)],
  );
}

/**
 * Ends the connections of this user that hold uncommitted rows of these partitions. Called after a claim of them: what they hold
 * can never be committed, and would block whoever writes the same rows.
 */
export async function endHolders(session: Session, table: PositionTable, partitions: readonly string[]): Promise<void> {
  await session.query(
    `SELECT pg_terminate_backend(held.pid) FROM pg_locks AS held
     JOIN pg_stat_activity AS activity ON activity.pid = held.pid AND activity.usename = current_user
     WHERE held.locktype = 'advisory' AND held.objsubid = 1 AND held.pid <> pg_backend_pid()
       AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND (held.classid::bigint << 32) | held.objid::bigint IN
         (SELECT hashtextextended(mark, 0) FROM unnest($1::text[]) AS mark)`,
    [marksOf(table, partitions)],
  );
}

function marksOf({ name, pipeline, sink }: PositionTable, partitions: readonly string[]): readonly string[] {
  return partitions.map((partition) => JSON.stringify(['sluice', name, pipeline, sink, partition]));
}

/** Whether the fence of one of these partitions was raised by somebody else. */
export async function isFenced(
  session: Session,
  { name, pipeline, sink }: PositionTable,
  fences: Fences,
): Promise<boolean> {
  const { rows } = await session.query<PositionRow>(
    `SELECT partition, fence FROM ${name} WHERE pipeline = $1 AND sink = $2 AND partition = ANY ($3::text[])`,
    [pipeline, sink, [...fences.keys()]],
  );
  return rows.some(({ partition, fence }) => fences.get(partition) !== fence);
}

/** The error of an instance whose fence is an older one. */
export function fencedError({ name, pipeline }: PositionTable): ConnectorError {
  return new ConnectorError(
    'fenced',
    `another instance of pipeline "${pipeline}" has taken over, or its rows in ${name} were changed. Run one instance for each source partition.`,
  );
}

/** Every position of a pipeline. */
export async function readPositions(session: Session, name: string, pipeline: string): Promise<Checkpoint> {
  const { rows } = await session.query<{ exists: boolean }>('SELECT to_regclass($1) IS NOT NULL AS exists', [name]);
  if (!rows[0]?.exists) return {};
  const found = await session.query<PositionRow>(
    `SELECT partition, fence, position FROM ${name} WHERE pipeline = $1 ORDER BY partition`,
    [pipeline],
  );
  return checkpointOf(found.rows);
}

/**
 * Raises the fences of a pipeline, so that an instance that runs is refused at its next flush, then changes its positions as they
 * are from then on: a commit that is under way is waited for. What is begun here ends with the session when it fails.
 */
export async function changePositions(
  session: Session,
  name: string,
  pipeline: string,
  change: (stored: Checkpoint) => Checkpoint,
): Promise<void> {
  await session.run('BEGIN');
  const { rows } = await session.query<PositionRow & { readonly sink: string }>(
    `UPDATE ${name} SET fence = fence + 1 WHERE pipeline = $1 RETURNING sink, partition, fence, position`,
    [pipeline],
  );
  if (rows.length === 0) {
    throw new ConnectorError(
      'not_found',
      `${name} holds no positions of pipeline "${pipeline}" yet. Run it once first.`,
    );
  }
  const checkpoint = change(checkpointOf(rows));
  await session.query(`UPDATE ${name} SET position = NULL WHERE pipeline = $1`, [pipeline]);
  await session.query(
    `INSERT INTO ${name} AS stored (pipeline, sink, partition, fence, position)
     SELECT $1, sink, moved.partition, 1, moved.position::json
     FROM unnest($2::text[]) AS sink, unnest($3::text[], $4::text[]) AS moved (partition, position)
     ON CONFLICT (pipeline, sink, partition) DO UPDATE SET position = EXCLUDED.position`,
    [
      pipeline,
      [...new Set(rows.map(({ sink }) => sink))],
      Object.keys(checkpoint),
      Object.values(checkpoint).map((position) => JSON.stringify(position)),
    ],
  );
  await session.run('COMMIT');
}

function checkpointOf(rows: readonly PositionRow[]): Checkpoint {
  return Object.fromEntries(
    rows.flatMap(({ partition, position }) => (position === null ? [] : [[partition, position]])),
  );
}
