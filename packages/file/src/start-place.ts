import { ConnectorError, type FramingPosition, type Position, type ReadOptions } from '@sluice/core/driver';
import { compressionOf } from './compression.js';
import { type FileIdentity, identify, isSameFile } from './file-identity.js';
import { type FilePosition, parsePosition } from './file-position.js';
import { type OpenFile, openFile } from './open-file.js';
import { findMoved, openSuccessor } from './rotated-files.js';

/** An open file and where to begin in it. */
export interface Place {
  readonly file: OpenFile;
  readonly identity: FileIdentity;
  /** The start of the file when undefined. */
  readonly from: FramingPosition | undefined;
  /** Whether everything that the file holds now is to be passed over. */
  readonly dropping: boolean;
}

/** The start of a file. */
export async function startOf(file: OpenFile): Promise<Place> {
  const identity = await identify(file.handle, file.stats.ino, Number(file.stats.size));
  return { file, identity, from: undefined, dropping: false };
}

/**
 * Finds the file to begin with; undefined when there is none yet.
 *
 * @throws {ConnectorError} `position_lost` when the file of the position is gone, or is no longer what it was
 */
export async function findPlace(
  path: string,
  position: Position | undefined,
  start: ReadOptions['start'],
): Promise<Place | undefined> {
  if (position !== undefined) return placeOf(path, parsePosition(path, position));
  const file = await openFile(path);
  if (file === undefined) return undefined;
  return { ...(await startOf(file)), dropping: start === 'latest' };
}

async function placeOf(path: string, position: FilePosition): Promise<Place | undefined> {
  const atPath = await openFile(path);
  if (atPath !== undefined) {
    if (await isSameFile(atPath.handle, atPath.stats, position.file)) return resume(atPath, position);
    await atPath.handle.close();
  }
  const moved = await findMoved(path, position.file);
  if (moved !== undefined) return resume(moved, position);
  if (position.finishedNs !== undefined) {
    const next = await openSuccessor(path, {
      mtimeNs: BigInt(position.finishedNs),
      birthtimeNs: 0n,
      isTaken: () => false,
    });
    return next && startOf(next);
  }
  const what =
    atPath === undefined
      ? 'does not exist any more'
      : String(atPath.stats.ino) === position.file.inode
        ? 'was truncated and written anew'
        : 'is another file now';
  throw lost(path, position, `${what}, and no file in its folder is the one that was read`);
}

async function resume(file: OpenFile, position: FilePosition): Promise<Place> {
  const { bytes } = position.framing;
  if (compressionOf(file.path) === undefined && file.stats.size < bytes) {
    await file.handle.close();
    throw lost(file.path, position, `was truncated to ${file.stats.size} bytes`);
  }
  return { file, identity: position.file, from: position.framing, dropping: false };
}

function lost(path: string, { framing }: FilePosition, what: string): ConnectorError {
  return new ConnectorError(
    'position_lost',
    `"${path}" was read up to byte ${framing.bytes} and ${what}. Restore the file, or set onPositionLost to "earliest" to read what is there from its start, or to "latest" to pass over it.`,
  );
}
