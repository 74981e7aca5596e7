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
  { name, pipeline, sink }: PositionTable,
  fences: Fences,
  moved: Checkpoint,
): Promise<void> {
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
  if (rowCount === partitions.length) return;
  throw new ConnectorError(
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

/** Replaces all positions of a pipeline and raises its fences, so that an instance that runs is refused at its next flush. */
export async function replacePositions(
  session: Session,
  name: string,
  pipeline: string,
  checkpoint: Checkpoint,
): Promise<void> {
  const sinks = await session.query<{ sink: string }>(`SELECT DISTINCT sink FROM ${name} WHERE pipeline = $1`, [
    pipeline,
  ]);
  const [first] = sinks.rows;
  if (first === undefined) {
    throw new ConnectorError(
      'not_found',
      `${name} holds no positions of pipeline "${pipeline}" yet. Run it once first.`,
    );
  }
  await session.run('BEGIN');
  await session.query(`UPDATE ${name} SET position = NULL, fence = fence + 1 WHERE pipeline = $1`, [pipeline]);
  await session.query(
    `INSERT INTO ${name} AS stored (pipeline, sink, partition, fence, position)
     SELECT $1, sink, moved.partition, 1, moved.position::json
     FROM unnest($2::text[]) AS sink, unnest($3::text[], $4::text[]) AS moved (partition, position)
     ON CONFLICT (pipeline, sink, partition) DO UPDATE SET position = EXCLUDED.position`,
    [
      pipeline,
      sinks.rows.map(({ sink }) => sink),
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
