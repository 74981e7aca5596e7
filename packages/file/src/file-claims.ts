import type { BigIntStats } from 'node:fs';
import { fileKey } from './open-file.js';

/** Which partition reads which file, so that a file which was renamed to a name that matches, too, is not read twice. */
export interface FileClaims {
  /** The partition reads this file now. */
  claim(partition: string, stats: BigIntStats): void;
  /** Who reads the file or has read it, if anybody. */
  ownerOf(stats: BigIntStats): string | undefined;
  /** The partition has read its file to the end, and nothing is at its path. */
  release(partition: string): void;
  /** Forgets the files that nobody reads any more and that are not among these. */
  keep(files: readonly BigIntStats[]): void;
}

/** Nothing claimed yet. */
export function fileClaims(): FileClaims {
  const owners = new Map<string, string>();
  const current = new Map<string, string>();
  const released = new Set<string>();
  return {
    claim: (partition, stats) => {
      released.delete(partition);
      current.set(partition, fileKey(stats));
      owners.set(fileKey(stats), partition);
    },
    ownerOf: (stats) => owners.get(fileKey(stats)),
    release: (partition) => {
      released.add(partition);
    },
    keep: (files) => {
      const kept = new Set([...files.map(fileKey), ...current.values()]);
      for (const key of owners.keys()) if (!kept.has(key)) owners.delete(key);
      // From the next look on: this one may have begun before the file was renamed, and have missed it.
      for (const partition of released) current.delete(partition);
      released.clear();
    },
  };
}
