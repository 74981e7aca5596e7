import { readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { SinkTarget } from '@sluice/core/driver';
import { checkpointPath } from './atomic-sink.js';
import type { FileSinkSettings } from './config.js';
import { hasCode } from './error.js';
import { statFile } from './open-file.js';
import { isPattern, literalPath, matchesPattern, matchingFiles } from './path-pattern.js';
import { rotatedName } from './rotated-name.js';

/** The files that a sink writes, by their real paths: the output, its checkpoint, and the first that is rotated away. */
export async function targetsOf({ path, atomic, rotate }: FileSinkSettings): Promise<readonly SinkTarget[]> {
  if (path === '-') return [];
  const output = await realPath(path);
  const isShared = atomic === false;
  return [
    { name: output, isShared },
    ...(isShared ? [] : [{ name: checkpointPath(output), isShared }]),
    ...(rotate === undefined ? [] : [{ name: join(dirname(output), rotatedName(basename(output), 1)), isShared }]),
  ];
}

/** Whether a source of this path reads the file, or will when there is one. `target` is a real path. */
export async function readsTarget(path: string, target: string): Promise<boolean> {
  if (path === '-') return false;
  const isRead = isPattern(path)
    ? await matchesPattern(path, target, realPath)
    : (await realPath(literalPath(path))) === target;
  if (isRead) return true;
  // Links inside the folders of a pattern, and hard links, are only seen on files that are there.
  const output = await statFile(target);
  if (output === undefined) return false;
  for (const file of isPattern(path) ? await matchingFiles(path) : [literalPath(path)]) {
    const stats = await statFile(file);
    if (stats?.ino === output.ino && stats.dev === output.dev) return true;
  }
  return false;
}

/** The absolute path without symbolic links, also of what does not exist yet. */
async function realPath(path: string): Promise<string> {
  const absolute = resolve(path);
  try {
    return await realpath(absolute);
  } catch (error) {
    if (!hasCode(error, 'ENOENT') || dirname(absolute) === absolute) return absolute;
  }
  const folder = await realPath(dirname(absolute));
  const here = join(folder, basename(absolute));
  // A link to a file that is yet to be made.
  const link = await readlink(here).catch(() => undefined);
  return link === undefined ? here : await realPath(resolve(folder, link));
}
