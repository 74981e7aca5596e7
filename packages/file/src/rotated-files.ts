import type { BigIntStats } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ifExists } from './error.js';
import { type FileIdentity, isSameFile } from './file-identity.js';
import { type OpenFile, openFile, statFile } from './open-file.js';
import { isRotatedName } from './rotated-name.js';

/** How often a folder is looked through for a file: names may be shifted by a rotation meanwhile. */
const searches = 3;

/** Looks for a file in the folder where it used to be, whatever it is called now, and opens it. */
export async function findMoved(path: string, identity: FileIdentity): Promise<OpenFile | undefined> {
  for (let search = 0; search < searches; search++) {
    for (const entry of await filesBeside(path, () => true)) {
      if (String(entry.stats.ino) !== identity.inode) continue;
      const file = await openFile(entry.path);
      if (file === undefined) continue;
      if (await isSameFile(file.handle, file.stats, identity)) return file;
      await file.handle.close();
    }
  }
  return undefined;
}

/** Where {@link openSuccessor} is to go on. */
export interface Predecessor {
  /** When it was changed for the last time. */
  readonly mtimeNs: bigint;
  /** When it was made, as far as known: tells files apart that were changed within one tick of the clock of the file system. */
  readonly birthtimeNs: bigint;
  /** Tells files that are not its successor: itself, and those that somebody else reads. */
  isTaken(stats: BigIntStats): boolean;
}

/**
 * Opens the file that was begun at `path` after another one. Where the path was rotated several times since, that is the
 * oldest rotated file that was changed later; only then comes the one at `path`.
 */
export async function openSuccessor(path: string, after: Predecessor): Promise<OpenFile | undefined> {
  for (;;) {
    const [oldest] = await rotatedAfter(path, after);
    const file = await openFile(oldest?.path ?? path);
    if (oldest === undefined) {
      if (file === undefined) return undefined;
      if (after.isTaken(file.stats)) {
        await file.handle.close();
        return undefined;
      }
      const missed = await rotatedAfter(path, after);
      if (missed.length === 0) return file;
    } else if (file?.stats.ino === oldest.stats.ino) return file;
    // A rotation came between looking and opening.
    await file?.handle.close();
  }
}

async function rotatedAfter(path: string, after: Predecessor): Promise<readonly Entry[]> {
  const rotated = await filesBeside(path, (name) => isRotatedName(basename(path), name));
  return rotated
    .filter(
      ({ stats }) => stats.mtimeNs >= after.mtimeNs && stats.birthtimeNs >= after.birthtimeNs && !after.isTaken(stats),
    )
    .sort((a, b) => (a.stats.mtimeNs < b.stats.mtimeNs ? -1 : 1));
}

interface Entry {
  readonly path: string;
  readonly stats: BigIntStats;
}

async function filesBeside(path: string, accepts: (name: string) => boolean): Promise<Entry[]> {
  const folder = dirname(path);
  const names = ((await ifExists(readdir(folder))) ?? []).filter(accepts);
  const files: Entry[] = [];
  for (const name of names) {
    const stats = await statFile(join(folder, name));
    if (stats?.isFile()) files.push({ path: join(folder, name), stats });
  }
  return files;
}
