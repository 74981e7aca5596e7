import type { ChangeFilterRules, FilteredTable, ReadRange } from './change-filter.js';
import { type ChunkPosition, isWhole } from './chunk-position.js';
import { parseSnapshot, type ServerSnapshot } from './server-snapshot.js';
import { type Chunk, chunksOf, type SnapshotPlan } from './snapshot-plan.js';

interface ChunkState {
  readonly chunk: Chunk;
  /** How far it was given out; undefined: it was not read yet. */
  given: ChunkPosition | undefined;
  /** Rows of it that are stored downstream. */
  storedRows: number;
  /** All of it was given out. */
  isEnded: boolean;
  /** All of it is stored downstream. */
  isSettled: boolean;
}

/** How far the chunks of a snapshot are. */
export class SnapshotChunks {
  #plan: SnapshotPlan | undefined;
  #states = new Map<string, ChunkState>();
  #isOver = false;
  #changed = Promise.withResolvers<void>();

  /** What is read. A plan that is set already changes nothing. */
  set plan(plan: SnapshotPlan) {
    if (this.#plan?.id === plan.id) return;
    this.#plan = plan;
    this.#states = new Map(
      chunksOf(plan).map((chunk) => [
        chunk.name,
        { chunk, given: undefined, storedRows: 0, isEnded: false, isSettled: false },
      ]),
    );
    this.#notify();
  }

  get isPlanned(): boolean {
    return this.#plan !== undefined || this.#isOver;
  }

  /** Whether changes have passed all that was visible when the rows were read: no snapshot is needed any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  over(): void {
    this.#isOver = true;
    this.#notify();
  }

  /** The chunk of this name, and whether it is read for the first time. */
  find(name: string): { readonly chunk: Chunk; readonly isFirst: boolean } | undefined {
    const state = this.#states.get(name);
    return state && { chunk: state.chunk, isFirst: state.given === undefined };
  }

  /** Reading begins behind a position. */
  begin(name: string, from: ChunkPosition): void {
    const state = this.#state(name);
    state.given = from;
    state.storedRows = from.rows;
    state.isEnded = isWhole(from);
    state.isSettled = state.isEnded;
    this.#notify();
  }

  /** Rows up to a position were given out. */
  give(name: string, position: ChunkPosition): void {
    this.#state(name).given = position;
  }

  /** There is no more to give out. */
  end(name: string): void {
    const state = this.#state(name);
    state.isEnded = true;
    this.#settle(state);
  }

  /** Everything up to a position is stored downstream. */
  store(name: string, { rows }: ChunkPosition): void {
    const state = this.#states.get(name);
    if (state === undefined) return;
    state.storedRows = rows;
    this.#settle(state);
  }

  /** Those to be read or to be settled next: so many that have not ended, and all that have. */
  open(count: number): readonly string[] {
    const open = [...this.#states].filter(([, { isSettled }]) => !isSettled);
    const reading = new Set(open.filter(([, { isEnded }]) => !isEnded).slice(0, count));
    return open.filter((each) => each[1].isEnded || reading.has(each)).map(([name]) => name);
  }

  /** Whether none is left but these. */
  areAll(names: readonly string[]): boolean {
    return [...this.#states].every(([name, { isSettled }]) => isSettled || names.includes(name));
  }

  /** What the rows that were read say about changes. In a sink that is not `atomic` rows may stay of a reading that was interrupted. */
  rules(atomic: boolean): ChangeFilterRules {
    const tables = new Map<number, FilteredTable>();
    const snapshots = new Map<string, ServerSnapshot | undefined>();
    let until = 0n;
    for (const { chunk, given } of this.#states.values()) {
      const { id, name, key } = chunk.table;
      if (given !== undefined && given.lsn > until) until = given.lsn;
      const ranges = (given?.parts ?? []).map(({ to, snapshot, since, rows }): ReadRange => {
        // Of a table without a key, rows that are stored are given out again.
        const text = atomic && key.length > 0 ? snapshot : (since ?? snapshot);
        if (!snapshots.has(text)) snapshots.set(text, parseSnapshot(text));
        return { to: to ?? chunk.to, snapshot: snapshots.get(text), isEmpty: rows === 0 };
      });
      tables.set(id, { name, key, ranges: [...(tables.get(id)?.ranges ?? []), ...ranges] });
    }
    return { tables, until };
  }

  /** Resolves when it is so, or when the signal is aborted. */
  async until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    const aborted = Promise.withResolvers<void>();
    const onAbort = (): void => aborted.resolve();
    signal.addEventListener('abort', onAbort);
    try {
      while (!condition() && !signal.aborted) await Promise.race([this.#changed.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #state(name: string): ChunkState {
    const state = this.#states.get(name);
    if (state === undefined) throw new RangeError(`no chunk ${name}`);
    return state;
  }

  #settle(state: ChunkState): void {
    // The position may have moved on without rows; it is stored with the next one, before any change.
    state.isSettled = state.isEnded && state.storedRows >= (state.given?.rows ?? 0);
    this.#notify();
  }

  #notify(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve();
  }
}
