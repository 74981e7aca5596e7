import type { BigIntStats } from 'node:fs';
import { constants, type FileHandle, open, stat } from 'node:fs/promises';
import { ConnectorError } from '@sluice/core/driver';
import { ifExists } from './error.js';

/** A file that is open for reading. It stays readable while it is renamed or deleted. */
export interface OpenFile {
  /** Where it was found. */
  readonly path: string;
  readonly handle: FileHandle;
  /** As it was when it was opened. */
  readonly stats: BigIntStats;
}

/**
 * Opens a regular file for reading; undefined when there is none of that name.
 *
 * @throws {ConnectorError} `config_invalid` when it is a folder, `unsupported` when it is a pipe, socket or device
 * @throws the error of the file system, which names the path
 */
export async function openFile(path: string): Promise<OpenFile | undefined> {
  // Opening a named pipe would otherwise wait for its writer.
  const handle = await ifExists(open(path, constants.O_RDONLY | constants.O_NONBLOCK));
  if (handle === undefined) return undefined;
  try {
    const stats = await handle.stat({ bigint: true });
    refuseOtherKinds(path, stats);
    return { path, handle, stats };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** What lies at a path, undefined when nothing does. */
export function statFile(path: string): Promise<BigIntStats | undefined> {
  return ifExists(stat(path, { bigint: true }));
}

/** Tells files apart while the machine runs; the time of birth because the inode of a deleted file is used again. */
export function fileKey({ dev, ino, birthtimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${birthtimeNs}`;
}

/** @throws {ConnectorError} unless it is a regular file */
function refuseOtherKinds(path: string, stats: BigIntStats): void {
  if (stats.isDirectory()) {
    throw new ConnectorError(
      'config_invalid',
      `"${path}" is a folder. Name a file, or a pattern such as "${path.replace(/\/+$/, '')}/*".`,
    );
  }
  if (!stats.isFile()) {
    throw new ConnectorError(
      'unsupported',
      `"${path}" is a pipe, socket or device. Send it to standard input, and set path to "-".`,
    );
  }
}

/** The error of a file that is not there. */
export function missing(path: string): ConnectorError {
  return new ConnectorError(
    'not_found',
    `"${path}" does not exist. Create it, correct the path, or set follow to wait for it.`,
  );
}
