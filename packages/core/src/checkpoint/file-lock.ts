import { closeSync, openSync } from 'node:fs';
import { ConnectorError } from '../error.js';

/** A lock that the operating system holds for this process. */
export interface FileLock {
  /** Lets another take it. Idempotent. */
  release(): void;
}

/**
 * Locks a file, which it makes where it is missing and leaves behind; undefined when the lock is held, in this process or in
 * another, which blocks for 0.1 s to be sure.
 *
 * Node has no call for it, but its SQLite locks the files that it opens: with `fcntl` on Unix and `LockFileEx` on Windows.
 * Such a lock ends with the process however it ends, is not inherited by its children, and knows nothing of pids, so it
 * works between containers that share a volume. On Unix it also ends when this process itself opens and closes the
 * file by other means, so nobody may read a lock file. https://sqlite.org/lockingv3.html
 *
 * @throws {ConnectorError} `unsupported` when this Node has no SQLite
 * @throws the error of Node that says why the file cannot be made
 * @throws the error of SQLite, whose `errcode` says why the file cannot be locked
 */
export function lockFile(path: string): FileLock | undefined {
  const { DatabaseSync } = loadSqlite();
  const database = openDatabase(() => new DatabaseSync(path), path);
  try {
    // SQLite locks in steps, so of two that try at the same instant each may stand in the other's way; both try again then.
    // BEGIN EXCLUSIVE takes the lock, but on a file that may only be read it succeeds without one; the write, which is never
    // committed, fails there. Its journal stays in memory, so the lock file remains empty and alone.
    database.exec('PRAGMA busy_timeout = 100; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE; PRAGMA user_version = 1');
  } catch (error) {
    database.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === busy) return undefined;
    throw error;
  }
  return {
    release: () => {
      if (database.isOpen) database.close();
    },
  };
}

/** https://sqlite.org/rescode.html#busy */
const busy = 5;
const cannotOpen = 14;

/** SQLite says only that it cannot open a file; Node, which makes the missing one in its place, says why. */
function openDatabase<T>(open: () => T, path: string): T {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof Error && 'errcode' in error && error.errcode === cannotOpen)) throw error;
    makeMissing(path);
    throw error;
  }
}

/** A file that is there is not opened: closing it would end the lock that another part of this process may hold. */
function makeMissing(path: string): void {
  try {
    closeSync(openSync(path, 'wx'));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

/** Loads SQLite when it is first needed, without the warning of Node 22 that it is experimental. */
function loadSqlite(): typeof import('node:sqlite') {
  const emitWarning = process.emitWarning;
  // Loading is synchronous, so no other warning can come up and be lost meanwhile.
  process.emitWarning = () => undefined;
  let sqlite: typeof import('node:sqlite') | undefined;
  try {
    sqlite = process.getBuiltinModule('node:sqlite');
  } finally {
    process.emitWarning = emitWarning;
  }
  if (sqlite === undefined) {
    throw new ConnectorError(
      'unsupported',
      'this build of Node.js lacks node:sqlite, which locks checkpoint files. Use an official build, or another checkpoint store.',
    );
  }
  return sqlite;
}
