import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** What {@link writeDurably} adds to a name for the file that it writes beside. */
const besideSuffix = /^\.[0-9a-f]{16}\.tmp$/;

/**
 * Replaces a file as a whole, or makes it: whatever happens, and whenever, the path holds either the old bytes or the new
 * ones, and when it resolves the new ones survive a crash of the machine.
 *
 * Writes beside, syncs, renames, and syncs the folder. With `ready`, what the new bytes speak of may become durable at the same
 * time: they are not at the path before it has resolved, and never when it rejects. It has settled whenever this has. A process that dies meanwhile may leave a file `<path>.<hex>.tmp`
 * behind, which {@link removeLeftovers} deletes. Calls for one path may overlap; the last rename wins.
 *
 * @throws the error of the file system or of `ready`. The path then holds the old bytes, or, when only the sync of the folder
 *   failed, the new ones, which a crash of the machine may still undo.
 */
export async function writeDurably(
  path: string,
  bytes: Uint8Array,
  ready: Promise<unknown> = Promise.resolve(),
): Promise<void> {
  const beside = `${path}.${randomBytes(8).toString('hex')}.tmp`;
  try {
    await all([writeAndSync(beside, bytes), ready]);
    await rename(beside, path);
  } catch (error) {
    // The first error says why; that of tidying up would only hide it, and a leftover is harmless.
    await rm(beside, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Deletes what {@link writeDurably} left beside `path` when its process died. Only for the one process that writes `path`. */
export async function removeLeftovers(path: string): Promise<void> {
  const folder = dirname(path);
  const name = basename(path);
  for (const entry of await readdir(folder)) {
    const isLeftover = entry.startsWith(name) && besideSuffix.test(entry.slice(name.length));
    if (isLeftover) await rm(join(folder, entry), { force: true });
  }
}

/** Makes a folder and those above it where they are missing; what it made survives a crash of the machine. */
export async function makeFolderDurably(path: string): Promise<void> {
  if (await isFolder(path)) return;
  // Not Node's own recursion, which reports a read-only file system as a missing folder.
  await makeFolderDurably(dirname(path));
  try {
    await mkdir(path);
  } catch (error) {
    const madeMeanwhile = codeOf(error) === 'EEXIST' && (await isFolder(path));
    if (!madeMeanwhile) throw error;
  }
  await syncFolder(dirname(path));
}

/**
 * Makes the names in a folder (new, renamed and deleted files) survive a crash of the machine. Does nothing on Windows, which
 * does not sync folders.
 */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } catch (error) {
    // Some file systems (SMB, some of FUSE) cannot sync a folder and say so; there is nothing else to do for them.
    if (codeOf(error) !== 'EINVAL') throw error;
  } finally {
    await folder.close();
  }
}

/** Waits until each has settled, whatever becomes of the others. */
async function all(promises: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(promises)) if (result.status === 'rejected') throw result.reason;
}

async function writeAndSync(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
