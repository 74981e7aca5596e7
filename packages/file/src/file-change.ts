import type { FileHandle } from 'node:fs/promises';
import { type FileIdentity, hasHead } from './file-identity.js';
import { statFile } from './open-file.js';
import { pause } from './pause.js';

/** `finished`: the file is no longer at its path, and nothing was written to it for a while. */
export type FileChange = 'grown' | 'truncated' | 'finished';

/** A file that was read up to its end. */
export interface WatchedFile {
  /** Where files of its name are written. */
  readonly path: string;
  readonly handle: FileHandle;
  /** How many bytes of it were read. */
  readonly offset: number;
  readonly identity: FileIdentity;
}

/** How a file is watched. Looking from time to time works on every file system, unlike what systems notify of. */
export interface WatchSettings {
  readonly pollIntervalMs: number;
  readonly rotateWaitMs: number;
}

/** Waits until a file that was read up to its end changes; undefined when aborted. */
export async function awaitChange(
  { path, handle, offset, identity }: WatchedFile,
  { pollIntervalMs, rotateWaitMs }: WatchSettings,
  signal: AbortSignal,
): Promise<FileChange | undefined> {
  for (let movedAt: number | undefined; !signal.aborted; ) {
    // The path first: what was written before the file was moved is then seen in its size.
    const atPath = await statFile(path);
    const own = await handle.stat({ bigint: true });
    if (own.size < offset) return 'truncated';
    // A file that was truncated may have grown past the old end since.
    if (own.size > offset) return (await hasHead(handle, identity)) ? 'grown' : 'truncated';
    const isThere = atPath !== undefined && atPath.ino === own.ino && atPath.dev === own.dev;
    if (isThere) movedAt = undefined;
    else {
      movedAt ??= performance.now();
      if (performance.now() - movedAt >= rotateWaitMs) return 'finished';
    }
    await pause(pollIntervalMs, signal);
  }
  return undefined;
}
