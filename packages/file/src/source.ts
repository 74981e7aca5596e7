import {
  ConnectorError,
  createFraming,
  type Discovered,
  type DriverContext,
  type SourceDriver,
} from '@sluice/core/driver';
import { compressionOf } from './compression.js';
import { type FileSourceSettings, notFollowed } from './config.js';
import { fileClaims } from './file-claims.js';
import { fileQueue } from './file-queue.js';
import { followedFiles } from './followed-files.js';
import { type BatchReader, oneByOne } from './one-by-one.js';
import { missing, openFile, statFile } from './open-file.js';
import { readPartition, type SourceRun } from './partition-reader.js';
import { isPattern, literalPath, matchingFiles } from './path-pattern.js';
import { openStdin } from './stdin.js';

/** Opens the source. A file is a partition, named by its path. */
export async function openFileSource(config: FileSourceSettings, context: DriverContext): Promise<SourceDriver> {
  if (config.path === '-') return openStdin(process.stdin, createFraming(config.framing));
  await checkFileSource(config);
  const { follow, path, pollIntervalMs, rotateWaitMs, scanIntervalMs } = config;
  const notice = (text: string): void => context.notice(text);
  const claims = fileClaims();
  const run: Omit<SourceRun, 'gone'> = {
    framing: createFraming(config.framing),
    follow: follow ? { pollIntervalMs, rotateWaitMs } : undefined,
    claims,
    notice,
  };
  if (!isPattern(path)) return driverOf({ ...run, gone: ignore }, () => one(literalPath(path)), ignore);
  if (follow) {
    const files = followedFiles({ pattern: path, scanIntervalMs, claims, notice });
    return driverOf({ ...run, gone: files.gone }, files.sets, ignore);
  }
  const queue = fileQueue(await matchingFiles(path), config.maxOpenFiles);
  return driverOf({ ...run, gone: ignore }, queue.sets, queue.finished);
}

/** Whether there is something to read, and it can be read. */
export async function checkFileSource(config: FileSourceSettings): Promise<void> {
  const { path, follow } = config;
  if (path === '-') return;
  if (follow && !isPattern(path) && compressionOf(literalPath(path)) !== undefined)
    throw new ConnectorError('config_invalid', `follow ${notFollowed}`);
  const paths = isPattern(path) ? await matchingFiles(path) : [literalPath(path)];
  if (paths.length === 0 && !follow) {
    throw new ConnectorError(
      'not_found',
      `no file matches "${path}". Correct the pattern, or set follow to wait for files.`,
    );
  }
  for (const each of paths) {
    const file = await openFile(each);
    await file?.handle.close();
    if (file === undefined && !follow) throw missing(each);
  }
}

/** The files that there are now. */
export async function discoverFiles({ path }: FileSourceSettings): Promise<readonly Discovered[]> {
  if (path === '-') return [{ name: '-', details: { kind: 'standard input' } }];
  const found: Discovered[] = [];
  for (const name of isPattern(path) ? await matchingFiles(path) : [literalPath(path)]) {
    const stats = await statFile(name);
    if (stats === undefined) continue;
    const details = {
      bytes: Number(stats.size),
      modified: stats.mtime.toISOString(),
      compression: compressionOf(name) ?? 'none',
    };
    found.push({ name, details });
  }
  return found;
}

type Sets = (signal: AbortSignal) => AsyncIterable<readonly string[]>;

function driverOf(run: SourceRun, partitions: Sets, finished: (path: string) => void): SourceDriver {
  const closing = new AbortController();
  const reads = new Set<BatchReader>();
  const readWatched: typeof readPartition = async function* (...of) {
    const [, partition, , { signal }] = of;
    const read = readPartition(...of);
    reads.add(read);
    try {
      yield* read;
      if (!signal.aborted) finished(partition);
    } finally {
      reads.delete(read);
    }
  };
  return {
    partitions,
    read: (partition, position, options) => {
      const signal = AbortSignal.any([options.signal, closing.signal]);
      return oneByOne(readWatched(run, partition, position, { ...options, signal }));
    },
    close: async () => {
      closing.abort();
      // Ending a reader closes its file.
      await Promise.all([...reads].map((read) => read.return(undefined)));
    },
  };
}

async function* one(path: string): AsyncGenerator<readonly string[]> {
  yield [path];
}

function ignore(): void {}
