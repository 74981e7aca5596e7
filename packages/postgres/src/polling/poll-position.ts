import { ConnectorError, type Position, z } from '@sluice/core/driver';

/** Where a sweep stands: going over the rows once, in their order. */
export type PollPosition = {
  /** What the rows are ordered by. */
  readonly columns: readonly string[];
  /** Values of these columns in the last row; null at the beginning of a sweep. */
  readonly at: readonly string[] | null;
  /** The last row of the sweeps before; null in the first one. */
  readonly top: readonly string[] | null;
  /** Whether the row at `at` stands behind `top`. */
  readonly isNew: boolean;
  /** What transactions before this one wrote was read by the sweeps before. */
  readonly after: string | null;
  /** What transactions from this one on wrote is left to the next sweep. */
  readonly before: string | null;
  /** Cursor value that the sweep begins at; null: the smallest one. */
  readonly floor: string | null;
  /** That of the next sweep. */
  readonly nextFloor: string | null;
};

const place = z.array(z.string()).nullable();
const transaction = z
  .string()
  .regex(/^\d{1,20}$/)
  .nullable();

const storedPosition: z.ZodType<PollPosition> = z.strictObject({
  columns: z.array(z.string()),
  at: place,
  top: place,
  isNew: z.boolean(),
  after: transaction,
  before: transaction,
  floor: z.string().nullable(),
  nextFloor: z.string().nullable(),
});

/** @throws {ConnectorError} `position_lost` when it is none of these columns */
export function parsePollPosition(position: Position, columns: readonly string[]): PollPosition {
  const result = storedPosition.safeParse(position);
  if (!result.success) throw lost('is not one of incremental polling');
  if (JSON.stringify(result.data.columns) === JSON.stringify(columns)) return result.data;
  throw lost(`goes by ${result.data.columns.join(', ')}, and the config by ${columns.join(', ')}`);
}

/** The error of a stored position that means nothing here. */
export function lost(reason: string): ConnectorError {
  return new ConnectorError(
    'position_lost',
    `the stored position ${reason}. Reset the position, or set onPositionLost to go on without it.`,
  );
}
