import { ConnectorError, type FramingPosition, type Position, z } from '@sluice/core/driver';
import type { FileIdentity } from './file-identity.js';

/** A place in a file. */
export interface FilePosition {
  readonly file: FileIdentity;
  readonly framing: FramingPosition;
  /**
   * Set when the file was read to its end and is no longer found under its path: its last change, in nanoseconds. What comes
   * next is the file that was changed after it.
   */
  readonly finishedNs?: string;
}

const filePosition: z.ZodType<FilePosition> = z.strictObject({
  file: z.strictObject({ inode: z.string(), headBytes: z.int().min(0), headSha256: z.string() }),
  framing: z.strictObject({ bytes: z.int().min(0), columns: z.array(z.string()).exactOptional() }),
  finishedNs: z.string().regex(/^\d+$/).exactOptional(),
});

/** As the engine stores it. */
export function toPosition({ file, framing, finishedNs }: FilePosition): Position {
  return { file: { ...file }, framing: { ...framing }, ...(finishedNs === undefined ? {} : { finishedNs }) };
}

/** @throws {ConnectorError} `position_lost` when it is none of this connector's */
export function parsePosition(path: string, position: Position): FilePosition {
  const result = filePosition.safeParse(position);
  if (result.success) return result.data;
  throw new ConnectorError(
    'position_lost',
    `the stored position of "${path}" is not one of a file. Reset the position, or set onPositionLost to "earliest" to read the file from its start.`,
  );
}
