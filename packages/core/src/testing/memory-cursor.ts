import type { LogEntry, MemoryLog } from './memory-log.js';

/** How far a group has come in one partition, as the outside system keeps it. */
export interface Progress {
  /** Logs: the offset up to which was committed. Undefined before the first commit. */
  committed: number | undefined;
  /** Queues: offsets that a reader holds. */
  readonly held: Set<number>;
  /** Queues: offsets that were committed. */
  readonly settled: Set<number>;
}

/** How much to take at once. */
export interface TakeLimit {
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/** Messages that were taken. */
export interface Taken {
  readonly entries: readonly LogEntry[];
  /** The place after each of `entries`. */
  readonly nexts: readonly number[];
  /** The place after all of them, and after the marks that follow. */
  readonly next: number;
}

/**
 * Where one lease stands. Places are numbers: offsets of the partition for a log, and for a queue the count of what this lease
 * was given, so that they mean nothing to another lease.
 */
export interface Cursor {
  /** Place after everything that was taken. */
  readonly taken: number;
  /** Place up to which was committed under this lease. */
  readonly committed: number;
  /** How many messages wait behind it. */
  readonly waiting: number;
  /** Whether something can be taken, as far as the window allows. */
  ready(): boolean;
  /** Whether there is nothing more, and nothing can come back from another lease. */
  exhausted(): boolean;
  take(limit: TakeLimit): Taken;
  /** Commits everything up to a place and returns what was settled by that. */
  commit(next: number): readonly LogEntry[];
  /** Gives back what was not committed. */
  giveBack(): void;
}

/** What a cursor works on. */
export interface CursorSetup {
  readonly log: MemoryLog;
  readonly progress: Progress;
  /** How many messages may be taken and not committed. */
  readonly window: number;
}

/** Reads a log, which stays as it is. */
export function logCursor({ log, progress, window }: CursorSetup, start: number, discardCommitted: boolean): Cursor {
  let taken = start;
  let committed = start;
  const room = (): number => window - (taken - committed);
  return {
    get taken() {
      return taken;
    },
    get committed() {
      return committed;
    },
    get waiting() {
      return log.entries.length - taken;
    },
    ready: () => taken < log.entries.length && room() > 0,
    exhausted: () => taken >= log.entries.length,
    take(limit) {
      const { entries, places } = takeEntries(log, limit, {
        room: room(),
        peek: () => taken,
        accept: () => {
          taken += 1;
          return taken;
        },
      });
      return { entries, nexts: places, next: taken };
    },
    commit(next) {
      const settled = log.entries.slice(Math.max(progress.committed ?? 0, 0), next);
      committed = next;
      progress.committed = next;
      if (discardCommitted) log.discard(next);
      return settled;
    },
    giveBack() {},
  };
}

/** Reads a log of which nothing comes again: what was taken is gone. */
export function passingCursor(setup: CursorSetup): Cursor {
  const { progress } = setup;
  const cursor = logCursor(setup, progress.committed ?? 0, false);
  return {
    ...cursor,
    get taken() {
      return cursor.taken;
    },
    get committed() {
      return cursor.committed;
    },
    get waiting() {
      return cursor.waiting;
    },
    take(limit) {
      const result = cursor.take(limit);
      const passed = progress.committed ?? 0;
      cursor.commit(result.next);
      // A reader that is behind another one must not bring back what has passed that one.
      progress.committed = Math.max(passed, result.next);
      return result;
    },
  };
}

/** Reads a queue: what it takes nobody else gets until it is given back, and what is committed never comes again. */
export function queueCursor({ log, progress, window }: CursorSetup): Cursor {
  /** Offsets in the order in which this lease was given them. */
  const given: number[] = [];
  let committed = 0;
  function nextFree(): number | undefined {
    for (let offset = log.start; offset < log.entries.length; offset += 1) {
      if (!progress.held.has(offset) && !progress.settled.has(offset)) return offset;
    }
    return undefined;
  }
  return {
    get taken() {
      return given.length;
    },
    get committed() {
      return committed;
    },
    get waiting() {
      return log.entries.length - progress.settled.size - progress.held.size;
    },
    ready: () => given.length - committed < window && nextFree() !== undefined,
    exhausted: () => nextFree() === undefined && progress.held.size === given.length - committed,
    take(limit) {
      const { entries, places } = takeEntries(log, limit, {
        room: window - (given.length - committed),
        peek: nextFree,
        accept: (offset) => {
          progress.held.add(offset);
          return given.push(offset);
        },
      });
      return { entries, nexts: places, next: given.length };
    },
    commit(next) {
      const offsets = given.slice(committed, next);
      for (const offset of offsets) {
        progress.held.delete(offset);
        progress.settled.add(offset);
      }
      committed = Math.max(committed, next);
      return offsets.flatMap((offset) => log.entries[offset] ?? []);
    },
    giveBack() {
      for (const offset of given.slice(committed)) progress.held.delete(offset);
      committed = given.length;
    },
  };
}

/** How a cursor gives out messages. */
interface Supply {
  readonly room: number;
  /** Offset of the next message, if there is one. */
  peek(): number | undefined;
  /** Takes it and returns the place after it. */
  accept(offset: number): number;
}

/** Takes until a limit is reached; one message above `maxBytes` passes alone. */
function takeEntries(
  log: MemoryLog,
  { maxMessages, maxBytes }: TakeLimit,
  supply: Supply,
): { entries: LogEntry[]; places: number[] } {
  const entries: LogEntry[] = [];
  const places: number[] = [];
  let bytes = 0;
  while (entries.length < Math.min(maxMessages, supply.room)) {
    const offset = supply.peek();
    const entry = offset === undefined ? undefined : log.entries[offset];
    if (offset === undefined || entry === undefined) break;
    if (!entry.control && entries.length > 0 && bytes + entry.bytes > maxBytes) break;
    const place = supply.accept(offset);
    if (entry.control) continue;
    entries.push(entry);
    places.push(place);
    bytes += entry.bytes;
  }
  return { entries, places };
}
