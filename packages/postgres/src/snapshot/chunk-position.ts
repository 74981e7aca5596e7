import { ConnectorError, type Position, z } from '@sluice/core/driver';
import { formatLsn, parseLsn } from '../changes/lsn.js';

/** Values of the key's columns as text, in the order of the key. */
export type KeyTexts = readonly string[];

/** A stretch of a chunk that was read in one snapshot. */
export interface ChunkPart {
  /** Its last key; undefined: the end of the chunk. */
  readonly to: KeyTexts | undefined;
  /** `pg_current_snapshot()` of the transaction that read it. */
  readonly snapshot: string;
  /** An earlier snapshot in which its rows may have been given out before a crash; undefined: none. */
  readonly since: string | undefined;
  /** How many rows of it were delivered. */
  readonly rows: number;
}

/** How far a chunk was delivered. */
export interface ChunkPosition {
  /** The plan that the chunk belongs to. */
  readonly plan: string;
  /** Rows delivered since reading began, or began anew. */
  readonly rows: number;
  /** What was read, in the order of the keys. */
  readonly parts: readonly ChunkPart[];
  /** The earliest snapshot in which rows behind it may have been given out. */
  readonly since: string;
  /** What a snapshot of it sees was committed before this place in the log. */
  readonly lsn: bigint;
}

const keyTexts = z.array(z.string()).nullable();
const storedPosition = z.strictObject({
  plan: z.string(),
  rows: z.int().min(0),
  parts: z.array(
    z.strictObject({ to: keyTexts, snapshot: z.string(), since: z.string().nullable(), rows: z.int().min(0) }),
  ),
  since: z.string(),
  lsn: z.string().regex(/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/),
});

/** Whether all of the chunk was read. */
export function isWhole({ parts }: ChunkPosition): boolean {
  const last = parts.at(-1);
  return last !== undefined && last.to === undefined;
}

/** As the engine stores it. */
export function toChunkPosition({ plan, rows, parts, since, lsn }: ChunkPosition): Position {
  return {
    plan,
    rows,
    parts: parts.map(({ to, since: begun, ...part }) => ({ ...part, to: to ?? null, since: begun ?? null })),
    since,
    lsn: formatLsn(lsn),
  };
}

/** @throws {ConnectorError} `position_lost` when it is none of a chunk of this plan */
export function parseChunkPosition(position: Position, plan: string): ChunkPosition {
  const result = storedPosition.safeParse(position);
  if (!result.success || result.data.plan !== plan) {
    throw new ConnectorError(
      'position_lost',
      'the stored position of a chunk is not one of this snapshot. Reset the position, or set onPositionLost to read the tables anew',
    );
  }
  const { parts, lsn, ...rest } = result.data;
  return {
    ...rest,
    parts: parts.map(({ to, since, ...part }) => ({ ...part, to: to ?? undefined, since: since ?? undefined })),
    lsn: parseLsn(lsn),
  };
}
