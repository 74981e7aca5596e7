import type { BigIntStats } from 'node:fs';
import type { Framing, Position, ReadOptions } from '@sluice/core/driver';
import { compressionOf } from './compression.js';
import { named } from './error.js';
import type { FileClaims } from './file-claims.js';
import { FileCutter } from './file-cutter.js';
import type { BatchReader } from './one-by-one.js';
import { missing, type OpenFile, openFile } from './open-file.js';
import { pause } from './pause.js';
import { readCompressed } from './read-compressed.js';
import { readPlain } from './read-plain.js';
import { openSuccessor } from './rotated-files.js';
import { findPlace, type Place, startOf } from './start-place.js';

/** What the readers of one source have in common. */
export interface SourceRun {
  readonly framing: Framing;
  /** Undefined: a file ends where it ends. */
  readonly follow: { readonly pollIntervalMs: number; readonly rotateWaitMs: number } | undefined;
  readonly claims: FileClaims;
  notice(text: string): void;
  /** The file at this path was read to its end and is no longer there. */
  gone(path: string): void;
}

/** A file that is being read. */
export interface Reading {
  readonly file: OpenFile;
  readonly cutter: FileCutter;
  /** The byte of the (uncompressed) file to begin at. */
  readonly from: number;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/**
 * Reads what lies at one path, from just after `position`: first the rest of the file that was begun, wherever it is now, then
 * the files that came after it at this path. With `follow` it goes on until it is aborted.
 */
export async function* readPartition(
  run: SourceRun,
  path: string,
  position: Position | undefined,
  options: ReadOptions,
): BatchReader {
  const { signal, maxBytes } = options;
  let place = (await findPlace(path, position, options.start)) ?? (await awaitFile(run, path, signal));
  for (let isFirst = true; place !== undefined; isFirst = false) {
    const { file, from } = place;
    run.claims.claim(path, file.stats);
    const cutter = new FileCutter({ ...place, topic: path, framing: run.framing, options });
    try {
      if (!isFirst) yield [cutter.here()]; // so that the file before may be deleted
      yield* readFile(run, path, { file, cutter, from: from?.bytes ?? 0, maxBytes, signal });
      const isLast = run.follow === undefined && file.path === path;
      if (signal.aborted || isLast) return;
      const last = await file.handle.stat({ bigint: true });
      place = await nextPlace(run, path, last);
      if (place === undefined && run.follow !== undefined) yield [cutter.here(last.mtimeNs)];
    } catch (error) {
      throw named(error, file.path);
    } finally {
      await file.handle.close();
    }
    if (place === undefined && run.follow !== undefined) {
      run.gone(path);
      place = await awaitFile(run, path, signal);
    }
  }
}

function readFile(run: SourceRun, path: string, reading: Reading): BatchReader {
  const compression = compressionOf(reading.file.path);
  return compression === undefined ? readPlain(run, path, reading) : readCompressed(reading, compression);
}

async function nextPlace(
  run: SourceRun,
  path: string,
  { mtimeNs, birthtimeNs }: BigIntStats,
): Promise<Place | undefined> {
  const isTaken = (stats: BigIntStats): boolean => run.claims.ownerOf(stats) !== undefined;
  const file = await openSuccessor(path, { mtimeNs, birthtimeNs, isTaken });
  return file && startOf(file);
}

/** Waits for a file that is followed and not there; undefined when aborted. */
async function awaitFile(run: SourceRun, path: string, signal: AbortSignal): Promise<Place | undefined> {
  if (run.follow === undefined) throw missing(path);
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    const file = await openFile(path);
    if (file !== undefined) return startOf(file);
    if (isFirst) run.notice(`"${path}" does not exist; waiting for it`);
    await pause(run.follow.pollIntervalMs, signal);
  }
  return undefined;
}
