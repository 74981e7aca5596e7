import type { BigIntStats } from 'node:fs';
import { compressionOf } from './compression.js';
import type { FileClaims } from './file-claims.js';
import { statFile } from './open-file.js';
import { matchingFiles } from './path-pattern.js';
import { pause } from './pause.js';

/** The files of a pattern that is followed. */
export interface FollowedFiles {
  /** A new set whenever a file was found or is gone. */
  sets(signal: AbortSignal): AsyncGenerator<readonly string[]>;
  /** The file at this path was read to its end and is no longer there. */
  gone(path: string): void;
}

/** What {@link followedFiles} needs to know. */
export interface Following {
  readonly pattern: string;
  readonly scanIntervalMs: number;
  readonly claims: FileClaims;
  notice(text: string): void;
}

/**
 * Looks for files again and again. Passes over compressed ones, because they come from rotation, and over files that are
 * already read under another name.
 */
export function followedFiles({ pattern, scanIntervalMs, claims, notice }: Following): FollowedFiles {
  const held = new Set<string>();
  const gone = new Set<string>();
  const told = new Set<string>();

  const isRotated = (path: string, stats: BigIntStats): boolean => {
    const owner = claims.ownerOf(stats);
    if (owner === undefined || owner === path) return false;
    if (!told.has(owner)) {
      told.add(owner);
      notice(
        `"${path}" was "${owner}" before and is not read twice now, but would be after a restart: narrow the pattern "${pattern}"`,
      );
    }
    return true;
  };

  const scan = async (): Promise<boolean> => {
    const before = held.size;
    const found: BigIntStats[] = [];
    for (const path of await matchingFiles(pattern)) {
      const stats = compressionOf(path) === undefined ? await statFile(path) : undefined;
      if (stats === undefined) continue;
      found.push(stats);
      if (!held.has(path) && !isRotated(path, stats)) held.add(path);
    }
    claims.keep(found);
    return held.size > before;
  };

  return {
    async *sets(signal) {
      await scan();
      yield [...held];
      while (!signal.aborted) {
        await pause(scanIntervalMs, signal);
        if (signal.aborted) return;
        for (const path of gone) held.delete(path);
        // A set without them goes out before they may be found again, so that their leases end in between.
        if (gone.size > 0) {
          gone.clear();
          yield [...held];
        } else if (await scan()) yield [...held];
      }
    },
    gone: (path) => {
      gone.add(path);
      claims.release(path);
    },
  };
}
