import { appendFile, open, readFile } from 'node:fs/promises';
import { ConnectorError } from '@sluice/core';
import { lockFile } from '@sluice/core/driver';

/** Which dead letters of a box were sent again, kept in `<path>.replayed`: one id per line. */
export interface ReplayedMarks {
  readonly ids: ReadonlySet<string>;
  /** Marks letters; durable when it resolves. */
  add(ids: readonly string[]): Promise<void>;
  /** Lets another replay begin. Idempotent. */
  release(): void;
}

/** The ids of the letters of a box that were sent again. */
export async function replayedIds(path: string): Promise<ReadonlySet<string>> {
  try {
    const lines = (await readFile(`${path}.replayed`, 'utf8')).split('\n');
    // A line without its newline was cut off by a crash: that letter counts as not sent.
    return new Set(
      lines
        .slice(0, -1)
        .map((line) => idOf(line))
        .filter((id) => id !== undefined),
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Set();
    throw error;
  }
}

/**
 * Opens the marks of a box to add to them.
 *
 * @throws {ConnectorError} `fenced` while another replay of the same dead letters runs
 */
export async function openReplayedMarks(path: string): Promise<ReplayedMarks> {
  const lock = lockFile(`${path}.replayed.lock`);
  if (lock === undefined) {
    throw new ConnectorError(
      'fenced',
      `dead letters of ${path} are being replayed already; wait until that replay has ended`,
    );
  }
  const file = `${path}.replayed`;
  const ids = new Set(await replayedIds(path));
  // Ends a line that a crash may have cut off.
  if (ids.size > 0) await appendFile(file, '\n');
  return {
    ids,
    add: async (more) => {
      const handle = await open(file, 'a');
      try {
        await handle.appendFile(more.map((id) => `${JSON.stringify(id)}\n`).join(''));
        await handle.datasync();
      } finally {
        await handle.close();
      }
      for (const id of more) ids.add(id);
    },
    release: () => lock.release(),
  };
}

function idOf(line: string): string | undefined {
  try {
    return String(JSON.parse(line));
  } catch {
    // Cut off by a crash: that letter counts as not sent.
    return undefined;
  }
}
