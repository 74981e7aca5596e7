import { type Classified, type Classify, type ErrorCode, isConnectorError } from '@sluice/core/driver';

/** What Node's errors of the file system and of decompression carry. */
interface SystemFailure extends Error {
  readonly code: string;
  readonly path?: string;
}

type Row = readonly [code: ErrorCode, explain: (file: string) => string];

const damaged: Row = [
  'unsupported',
  (file) =>
    `${file} is damaged, or not in the format that its extension says. Check it with "gzip -t" or "zstd -t", or rename it.`,
];
const noPermission: Row = [
  'permission_denied',
  (file) => `access to ${file} is denied. Give this user the right to read or write it.`,
];
const noDescriptors: Row = [
  'resource_exhausted',
  (file) => `${file} cannot be opened: too many open files. Raise the limit of this process (ulimit -n).`,
];

/** By the `code` of Node's errors. */
const table: Readonly<Record<string, Row>> = {
  ENOENT: ['not_found', (file) => `${file} does not exist. Create it or correct the path.`],
  EACCES: noPermission,
  EPERM: noPermission,
  ERR_ACCESS_DENIED: noPermission,
  EROFS: [
    'permission_denied',
    (file) => `${file} lies on a read-only file system. Choose another path, or mount it for writing.`,
  ],
  EISDIR: ['config_invalid', (file) => `${file} is a folder. Name a file in it.`],
  ENOTDIR: ['config_invalid', (file) => `${file} leads through a file as if that were a folder. Correct the path.`],
  EEXIST: [
    'config_invalid',
    (file) => `${file} is a file where a folder is needed. Correct the path, or move the file.`,
  ],
  ENAMETOOLONG: ['config_invalid', (file) => `${file} has too long a name. Choose a shorter one.`],
  ELOOP: ['config_invalid', (file) => `${file} leads through symbolic links in a circle. Correct the links.`],
  ENOSPC: ['resource_exhausted', (file) => `the disk of ${file} is full. Free some space on it.`],
  EDQUOT: ['resource_exhausted', (file) => `the disk quota of ${file} is used up. Raise it, or free some space.`],
  EFBIG: [
    'resource_exhausted',
    (file) => `${file} has reached the largest size that is allowed. Raise it (ulimit -f), or set rotate.`,
  ],
  EMFILE: noDescriptors,
  ENFILE: noDescriptors,
  EPIPE: ['closed', (file) => `the reader of ${file} went away. Keep it running until the pipeline has ended.`],
  ESTALE: ['not_connected', (file) => `the network file system of ${file} lost its server.`],
  ERR_SQLITE_ERROR: [
    'unsupported',
    (file) => `${file} cannot be locked. Write to a local disk where this user may make files, or set atomic to false.`,
  ],
  Z_DATA_ERROR: damaged,
  Z_BUF_ERROR: damaged,
  Z_NEED_DICT: damaged,
};

/** The table from Node's errors to codes. */
export const classifyFileError: Classify = (error: unknown): Classified | undefined => {
  if (!isSystemFailure(error)) return undefined;
  const row = mayOnlyRead(error)
    ? noPermission
    : (table[error.code] ?? (error.code.startsWith('ZSTD_') ? damaged : undefined));
  return row && { code: row[0], message: row[1](error.path === undefined ? 'the file' : `"${error.path}"`) };
};

/** Whether SQLite, which locks files, found one that this user may only read: https://sqlite.org/rescode.html#readonly */
function mayOnlyRead(error: SystemFailure): boolean {
  return 'errcode' in error && error.errcode === 8;
}

/** Whether an error of Node says `code`. */
export function hasCode(error: unknown, code: string): boolean {
  return isSystemFailure(error) && error.code === code;
}

/** The error, naming a path, as the errors of calls on an open file do not by themselves. */
export function named<T>(error: T, path: string): T {
  if (isSystemFailure(error) && !isConnectorError(error) && error.path === undefined) Object.assign(error, { path });
  return error;
}

/** What `action` gives, or undefined where there is no such file. */
export async function ifExists<T>(action: Promise<T>): Promise<T | undefined> {
  try {
    return await action;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function isSystemFailure(error: unknown): error is SystemFailure {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}
