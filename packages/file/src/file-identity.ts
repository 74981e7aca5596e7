import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

/** Tells a file from others, whatever it is called. A JSON value, part of positions. */
export interface FileIdentity {
  /** Number of the file in its file system. The device is left out: its number may differ after the next boot or mount. */
  readonly inode: string;
  /** How many of its first bytes are in the fingerprint: all of them, up to {@link headBytes}. */
  readonly headBytes: number;
  /** SHA-256 of these bytes, because the system gives the inode of a deleted file to a new one. */
  readonly headSha256: string;
}

/** Long enough to get past the header that all logs of a program may begin with. */
const headBytes = 1024;

/** The identity of an open file of which `bytes` were read at least once and are there to stay. */
export async function identify(handle: FileHandle, inode: bigint, bytes: number): Promise<FileIdentity> {
  const head = await readHead(handle, Math.min(bytes, headBytes));
  return { inode: String(inode), headBytes: head.length, headSha256: sha256(head) };
}

/** Whether the identity says less than it could, now that the file has `bytes`. */
export function mayGrow(identity: FileIdentity, bytes: number): boolean {
  return identity.headBytes < Math.min(bytes, headBytes);
}

/** Whether this is that file. */
export async function isSameFile(handle: FileHandle, stats: BigIntStats, identity: FileIdentity): Promise<boolean> {
  return String(stats.ino) === identity.inode && (await hasHead(handle, identity));
}

/** Whether the file still begins with the bytes that it began with. */
export async function hasHead(handle: FileHandle, identity: FileIdentity): Promise<boolean> {
  const head = await readHead(handle, identity.headBytes);
  return head.length === identity.headBytes && sha256(head) === identity.headSha256;
}

async function readHead(handle: FileHandle, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  let length = 0;
  while (length < bytes) {
    const { bytesRead } = await handle.read(buffer, length, bytes - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
