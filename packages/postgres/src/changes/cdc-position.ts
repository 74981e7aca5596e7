import { ConnectorError, type Position, z } from '@sluice/core/driver';
import { formatLsn, parseLsn } from './lsn.js';

/**
 * How far the changes were delivered: everything of the transactions whose commit record lies before `lsn`, and so many rows of
 * the one whose commit record lies there.
 */
export interface CdcPosition {
  readonly lsn: bigint;
  readonly rows: number;
}

const storedPosition = z.strictObject({
  lsn: z.string().regex(/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/),
  rows: z.int().min(0),
});

/** As the engine stores it. */
export function toPosition({ lsn, rows }: CdcPosition): Position {
  return { lsn: formatLsn(lsn), rows };
}

/** @throws {ConnectorError} `position_lost` when it is none of this mode */
export function parsePosition(position: Position): CdcPosition {
  const result = storedPosition.safeParse(position);
  if (result.success) return { lsn: parseLsn(result.data.lsn), rows: result.data.rows };
  throw new ConnectorError(
    'position_lost',
    'the stored position is not one of mode "cdc". Reset the position, or set onPositionLost to go on without it.',
  );
}
