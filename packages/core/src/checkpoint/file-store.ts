import { randomUUID } from 'node:crypto';
import { access, constants, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { makeFolderDurably, removeLeftovers, syncFolder, writeDurably } from '../durable-file.js';
import { ConnectorError } from '../error.js';
import type { Checkpoint } from '../sink-driver.js';
import { checkpointError } from './checkpoint-error.js';
import {
  type CheckpointFile,
  type CheckpointHolder,
  decodeCheckpointFile,
  encodeCheckpointFile,
} from './checkpoint-file.js';
import { type FileLock, lockFile } from './file-lock.js';
import { pipelineFileName } from './pipeline-file-name.js';
import type { CheckpointClaim, CheckpointStore } from './store.js';

/** Where {@link fileCheckpoints} keeps them. */
export interface FileCheckpointsConfig {
  /** Folder, made with the first claim; relative to the working directory at the time of the call. Keep it on a local disk. */
  readonly path: string;
}

/** A {@link CheckpointStore} in files. */
export interface FileCheckpointStore extends CheckpointStore {
  /**
   * Forgets the pipeline's checkpoint, also a damaged one, so that the next run starts over.
   *
   * @throws {ConnectorError} `fenced` while the pipeline runs
   */
  reset(pipeline: string): Promise<void>;
}

/**
 * Keeps checkpoints in a folder: `<pipeline>.json`, which people can read, and an empty `<pipeline>.lock`.
 *
 * - A save is durable when it resolves, and replaces the file as a whole: a process or machine that dies at any instant
 *   leaves either the checkpoint before or the new one.
 * - A damaged file is refused with `position_lost`, never taken for an empty one.
 * - A pipeline is claimed once: a second claim, here or in another process or container, is refused with `fenced`. The lock is
 *   held by the operating system and dies with the process, so that after a crash the next claim succeeds at once, and pids
 *   do not matter.
 * - Where locks do not work (some network file systems) or the files were replaced under a running pipeline, the older holder
 *   notices at its next save, which rejects with `fenced`.
 *
 * Reading needs no claim. After `close()` the store can be claimed again.
 *
 * All methods may reject with `permission_denied`, `resource_exhausted` (disk full), `config_invalid` (the path cannot be a
 * folder) and `unsupported` (written by a newer version; no file locks). Then nothing has changed, or, after a save, the
 * checkpoint is the one before or the new one.
 */
export function fileCheckpoints(config: FileCheckpointsConfig): FileCheckpointStore {
  const folder = resolve(config.path);
  const claims = new Set<CheckpointClaim>();
  return {
    description: `file ${config.path}`,
    durable: true,
    load: async (pipeline) => (await read(placeOf(folder, pipeline)))?.checkpoint ?? {},
    claim: async (pipeline) => {
      const claim = await claimPlace(placeOf(folder, pipeline), () => claims.delete(claim));
      claims.add(claim);
      return claim;
    },
    reset: (pipeline) => resetPlace(placeOf(folder, pipeline)),
    close: async () => {
      await Promise.all([...claims].map((claim) => claim.release()));
    },
  };
}

/** The files of one pipeline. */
interface Place {
  readonly pipeline: string;
  readonly folder: string;
  readonly file: string;
  readonly lock: string;
}

/** A place whose lock is held. */
interface HeldPlace extends Place {
  readonly holder: CheckpointHolder;
  readonly release: () => void;
}

function placeOf(folder: string, pipeline: string): Place {
  const name = pipelineFileName(pipeline);
  return { pipeline, folder, file: join(folder, `${name}.json`), lock: join(folder, `${name}.lock`) };
}

async function claimPlace(place: Place, onRelease: () => void): Promise<CheckpointClaim> {
  const lock = await takeLock(place);
  try {
    const checkpoint = (await read(place))?.checkpoint ?? {};
    const holder = { id: randomUUID(), pid: process.pid, host: hostname(), since: new Date().toISOString() };
    await write(place, encodeCheckpointFile({ pipeline: place.pipeline, holder, checkpoint }), removeLeftovers);
    const release = (): void => {
      lock.release();
      onRelease();
    };
    return holdClaim({ ...place, holder, release }, checkpoint);
  } catch (error) {
    lock.release();
    throw error;
  }
}

function holdClaim(place: HeldPlace, checkpoint: Checkpoint): CheckpointClaim {
  const { pipeline, holder } = place;
  let released = false;
  let lastSave: Promise<unknown> = Promise.resolve();
  return {
    checkpoint,
    save: async (next) => {
      if (released) throw closed(place);
      // Encoded at once, so that what the caller changes later is not stored by accident.
      const bytes = encodeCheckpointFile({ pipeline, holder, checkpoint: next });
      const save = lastSave.then(() => write(place, bytes, () => refuseAnother(place)));
      // Its own caller hears of a failure; the next save only waits.
      lastSave = save.catch(() => undefined);
      await save;
    },
    release: async () => {
      released = true;
      await lastSave;
      place.release();
    },
  };
}

async function resetPlace(place: Place): Promise<void> {
  const lock = await takeLock(place);
  try {
    await removeLeftovers(place.file);
    await rm(place.file, { force: true });
    await syncFolder(place.folder);
  } catch (error) {
    throw checkpointError(error, `checkpoint file "${place.file}" could not be removed`);
  } finally {
    lock.release();
  }
}

async function takeLock(place: Place): Promise<FileLock> {
  let lock: FileLock | undefined;
  try {
    await makeFolderDurably(place.folder);
    // SQLite would not say why it cannot make the lock file.
    await access(place.folder, constants.R_OK | constants.W_OK | constants.X_OK);
    lock = lockFile(place.lock);
  } catch (error) {
    throw checkpointError(
      error,
      `checkpoint of pipeline "${place.pipeline}" could not be claimed in "${place.folder}"`,
    );
  }
  if (lock === undefined) throw await lockedError(place);
  return lock;
}

async function read(place: Place): Promise<CheckpointFile | undefined> {
  try {
    return decodeCheckpointFile(await readFile(place.file), { path: place.file, pipeline: place.pipeline });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw checkpointError(error, `checkpoint file "${place.file}" could not be read`);
  }
}

async function write(place: Place, bytes: Uint8Array, prepare: (path: string) => Promise<void>): Promise<void> {
  try {
    await prepare(place.file);
    await writeDurably(place.file, bytes);
  } catch (error) {
    throw checkpointError(error, `checkpoint file "${place.file}" could not be written`);
  }
}

/** The second line of defence, where the lock failed: whoever claims last leaves its id in the file. */
async function refuseAnother(place: HeldPlace): Promise<void> {
  const current = await read(place);
  if (current?.holder.id === place.holder.id) return;
  const why =
    current === undefined
      ? 'it was removed while the pipeline ran'
      : `it was claimed by ${describeHolder(current.holder)}`;
  throw new ConnectorError(
    'fenced',
    `checkpoint file "${place.file}" could not be written: ${why}. Run one instance only, and leave its files alone meanwhile.`,
  );
}

async function lockedError(place: Place): Promise<ConnectorError> {
  const holder = await readHolder(place);
  const hint =
    holder === undefined
      ? 'Stop the other process; if there is none, the file system does not lock files: keep checkpoints on a local disk.'
      : `It was last claimed by ${describeHolder(holder)}. Stop that process, or give this pipeline a name of its own.`;
  return new ConnectorError('fenced', `pipeline "${place.pipeline}" runs already: "${place.lock}" is locked. ${hint}`);
}

async function readHolder(place: Place): Promise<CheckpointHolder | undefined> {
  try {
    return (await read(place))?.holder;
  } catch {
    // Only a hint for people: that the lock is held is the error to report.
    return undefined;
  }
}

function describeHolder(holder: CheckpointHolder): string {
  return `process ${holder.pid} on host "${holder.host}" at ${holder.since}`;
}

function closed(place: Place): ConnectorError {
  return new ConnectorError(
    'closed',
    `checkpoint file "${place.file}" could not be written: its claim was released. Claim it again before saving.`,
  );
}
