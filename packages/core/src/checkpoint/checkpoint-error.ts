import { ConnectorError, type ErrorCode, isConnectorError, messageOf } from '../error.js';

type Row = readonly [code: ErrorCode, reason: string];

const noPermission: Row = [
  'permission_denied',
  'access denied. Give this user permission to read and write the folder and its files.',
];
const noFolder: Row = [
  'config_invalid',
  'a part of the path is a file where a folder is needed, or the other way round. Choose another folder.',
];
const noLocks: Row = ['unsupported', 'its file system does not lock files. Keep checkpoints on a local disk.'];

/** By the `code` of Node's errors. */
const byCode: Readonly<Record<string, Row>> = {
  EACCES: noPermission,
  EPERM: noPermission,
  ERR_ACCESS_DENIED: noPermission,
  EROFS: ['permission_denied', 'the file system is read-only. Mount it for writing, or choose another folder.'],
  ENOSPC: ['resource_exhausted', 'the disk is full. Free some space on it.'],
  EDQUOT: ['resource_exhausted', 'the disk quota is used up. Raise it, or free some space.'],
  EMFILE: ['resource_exhausted', 'this process has too many open files. Raise its limit (ulimit -n).'],
  ENFILE: ['resource_exhausted', 'this machine has too many open files. Raise its limit.'],
  ENOENT: ['not_found', 'the folder is gone. Restore it, or start the pipeline again.'],
  ENOTDIR: noFolder,
  EISDIR: noFolder,
  EEXIST: noFolder,
  ENAMETOOLONG: ['config_invalid', 'the path is too long. Choose another folder.'],
};

/** By the primary result code of SQLite, which locks the files: https://sqlite.org/rescode.html */
const byResult: Readonly<Record<number, Row>> = {
  8: ['permission_denied', 'the lock file may only be read. Give this user write permission on it.'],
  10: noLocks,
  11: ['config_invalid', 'something else stands in the lock file. Remove that file.'],
  13: ['resource_exhausted', 'the disk is full. Free some space on it.'],
  // SQLite does not say which.
  14: ['unknown', 'the lock file cannot be opened. Its path may be too long (512 bytes), or too many files are open.'],
  15: noLocks,
  22: noLocks,
  26: ['config_invalid', 'something else stands in the lock file. Remove that file.'],
};

/**
 * What a file of checkpoints failed with, as a {@link ConnectorError}; one that already is one stays as it is.
 *
 * @param what `checkpoint file "<path>" could not be read`
 */
export function checkpointError(error: unknown, what: string): ConnectorError {
  if (isConnectorError(error)) return error;
  const [code, reason] = rowOf(error) ?? ['unknown', messageOf(error)];
  return new ConnectorError(code, `${what}: ${reason}`, { cause: error });
}

function rowOf(error: unknown): Row | undefined {
  if (!(error instanceof Error)) return undefined;
  // An extended result code has the primary one in its low byte.
  if ('errcode' in error && typeof error.errcode === 'number') return byResult[error.errcode & 0xff];
  return 'code' in error && typeof error.code === 'string' ? byCode[error.code] : undefined;
}
