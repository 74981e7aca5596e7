import {
  BatchError,
  type Checkpoint,
  ConnectorError,
  isConnectorError,
  type Message,
  type SinkBatch,
  type SinkDriver,
} from '@sluice/core/driver';
import { isRefusal, stateOf } from '../error.js';
import { indexed, writeAllowed } from './attempt.js';
import {
  claimPositions,
  endHolders,
  type Fences,
  fencedError,
  isFenced,
  markPartitions,
  type PositionTable,
  storePositions,
} from './position-table.js';
import type { Session } from './session.js';
import type { Tables, WritePlan } from './tables.js';
import { writeRows } from './write-rows.js';

/** A batch with more bad rows than this is not searched through at once: the engine hands the rest over again. */
const maxRefused = 100;

/** `admin_shutdown`: pg_terminate_backend, or the end of the server. */
const endedByCommand = '57P01';

/** A write that has not settled. */
interface Writing {
  readonly partitions: ReadonlySet<string>;
  /** An earlier write of one of its partitions was not taken over, so this one must not be either. */
  isVoid: boolean;
}

export interface AtomicSinkOptions {
  /** Connects for a question while the sink's own connection is gone. */
  readonly ask: () => Promise<Session>;
  /** When the server ends a transaction in which nothing happens. */
  readonly idleTimeoutMs: number;
}

/**
 * Writes rows and positions in one transaction, which a flush commits. Writes are done one after the other; while the server
 * works on one, the next is prepared.
 */
export class AtomicSink implements SinkDriver {
  readonly #session: Session;
  readonly #tables: Tables;
  readonly #positions: PositionTable;
  readonly #writings = new Set<Writing>();
  readonly #touched = new Set<string>();
  readonly #ask: () => Promise<Session>;
  readonly #staying: NodeJS.Timeout;
  #fences: Fences = new Map();
  #turn: Promise<unknown> = Promise.resolve();
  /** Resolves when the server has something to do for the last write. */
  #busy: Promise<void> = Promise.resolve();
  #state: 'none' | 'open' | 'doubtful' = 'none';
  /** Another instance has taken over: stays so until a claim. */
  #isFenced = false;

  constructor(session: Session, tables: Tables, positions: PositionTable, { ask, idleTimeoutMs }: AtomicSinkOptions) {
    this.#session = session;
    this.#ask = ask;
    this.#tables = tables;
    this.#positions = positions;
    this.#staying = setInterval(this.#stay, idleTimeoutMs / 3);
  }

  async claim(partitions: readonly string[]): Promise<Checkpoint> {
    await this.#session.run('ROLLBACK');
    this.#settle('none');
    this.#isFenced = false;
    this.#tables.forget();
    if (partitions.length === 0) return {};
    const { fences, stored } = await claimPositions(this.#session, this.#positions, partitions);
    this.#fences = new Map([...this.#fences, ...fences]);
    await endHolders(this.#session, this.#positions, partitions);
    return stored;
  }

  async write({ messages, slices }: SinkBatch, signal: AbortSignal): Promise<void> {
    const writing: Writing = { partitions: new Set(slices.map(({ partition }) => partition)), isVoid: false };
    const earlier = this.#turn;
    this.#writings.add(writing);
    // While the server works on the write before, and not while it waits for that.
    const planning = this.#busy.then(() => this.#tables.plan(indexed(messages)));
    planning.catch(() => undefined); // Heard of when it is its turn.
    const busy = Promise.withResolvers<void>();
    this.#busy = busy.promise;
    const take = async (): Promise<void> =>
      await this.#take(messages, await planning, { writing, onWaiting: busy.resolve });
    const done = earlier.then(() => this.#call(signal, take));
    this.#turn = done.catch(() => undefined); // Its own caller hears of it.
    try {
      await done;
    } catch (error) {
      this.#voidFollowers(writing);
      throw error;
    } finally {
      busy.resolve();
      this.#writings.delete(writing);
    }
  }

  async flush(checkpoint: Checkpoint, signal: AbortSignal): Promise<void> {
    if (this.#state === 'none' && Object.keys(checkpoint).length === 0) return;
    await this.#call(signal, async () => {
      await this.#begin();
      const fences = this.#fencesOf(checkpoint);
      this.#state = 'doubtful';
      if (fences.size > 0) await storePositions(this.#session, this.#positions, fences, checkpoint);
      await this.#commit();
      this.#settle('none');
    });
  }

  close(): Promise<void> {
    clearInterval(this.#staying);
    return this.#session.close();
  }

  /** A flush may be further away than the server waits for a client that is gone. */
  readonly #stay = (): void => {
    if (this.#state === 'open') this.#session.run('SELECT').catch(() => undefined); // The next call hears of it.
  };

  async #take(
    messages: readonly Message[],
    early: WritePlan | undefined,
    { writing, onWaiting }: { readonly writing: Writing; readonly onWaiting: () => void },
  ): Promise<void> {
    if (writing.isVoid) throw new BatchError([]);
    await this.#begin();
    await this.#mark(writing.partitions);
    // Until it is done: an error that is not a refusal leaves a transaction that cannot go on.
    this.#state = 'doubtful';
    let plan = early;
    if (plan === undefined) {
      await this.#tables.learn(this.#session, indexed(messages));
      plan = this.#tables.plan(indexed(messages));
    }
    if (plan === undefined || plan.refused.length > 0) {
      this.#state = 'open';
      throw new BatchError(plan?.refused ?? []);
    }
    try {
      await writeRows(this.#session, plan, { savepoint: 'write', onWaiting });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await this.#withoutRefused(messages);
    }
    this.#state = 'open';
  }

  /** Resolves when all of it could be written in smaller parts, after all. */
  async #withoutRefused(messages: readonly Message[]): Promise<void> {
    await this.#session.run('ROLLBACK TO SAVEPOINT write');
    const failures = await writeAllowed(this.#session, this.#tables, messages, maxRefused);
    if (failures.length === 0) return await this.#session.run('RELEASE SAVEPOINT write');
    await this.#session.run('ROLLBACK TO SAVEPOINT write; RELEASE SAVEPOINT write');
    this.#state = 'open';
    throw new BatchError(failures);
  }

  /** Writes that were handed over after a failed one of the same partition fail, too, without a message of their own. */
  #voidFollowers(failed: Writing): void {
    let isLater = false;
    for (const writing of this.#writings) {
      if (isLater && [...writing.partitions].some((partition) => failed.partitions.has(partition)))
        writing.isVoid = true;
      isLater ||= writing === failed;
    }
  }

  /** A newer instance ends the connection of an older one that holds rows of its partitions: then that is the reason. */
  async #call(signal: AbortSignal, action: () => Promise<void>): Promise<void> {
    try {
      await this.#session.guarded(signal, action);
    } catch (error) {
      if (isFencedError(error)) this.#isFenced = true;
      if (stateOf(error) !== endedByCommand && stateOf(this.#session.end) !== endedByCommand) throw error;
      if (!this.#isFenced && !(await this.#findsFence())) throw error;
      this.#isFenced = true;
      throw fencedError(this.#positions);
    }
  }

  async #findsFence(): Promise<boolean> {
    let session: Session;
    try {
      session = await this.#ask();
    } catch {
      return false; // The server is down, which ended the connection.
    }
    try {
      return await isFenced(session, this.#positions, this.#fences);
    } finally {
      await session.close();
    }
  }

  async #mark(partitions: ReadonlySet<string>): Promise<void> {
    const marked = [...partitions].filter((partition) => this.#fences.has(partition) && !this.#touched.has(partition));
    if (marked.length > 0) await markPartitions(this.#session, this.#positions, marked);
    for (const partition of partitions) this.#touched.add(partition);
  }

  async #begin(): Promise<void> {
    if (this.#isFenced) throw fencedError(this.#positions);
    if (this.#state === 'doubtful') {
      throw new ConnectorError(
        'conflict',
        'what was written since the last flush is in doubt before it is claimed again',
      );
    }
    if (this.#state === 'none') await this.#session.run('BEGIN');
    this.#state = 'open';
  }

  #fencesOf(checkpoint: Checkpoint): Fences {
    const partitions = new Set([...Object.keys(checkpoint), ...this.#touched]);
    const stranger = Object.keys(checkpoint).find((partition) => !this.#fences.has(partition));
    if (stranger !== undefined) throw new ConnectorError('internal', `partition "${stranger}" was never claimed`);
    return new Map([...this.#fences].filter(([partition]) => partitions.has(partition)));
  }

  async #commit(): Promise<void> {
    try {
      const { command } = await this.#session.client.query('COMMIT');
      if (command !== 'COMMIT') throw new ConnectorError('conflict', 'the server undid the transaction');
    } catch (error) {
      // At a commit only deferred constraints refuse, and nobody can say which row it was.
      if (stateOf(error)?.startsWith('23') !== true) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new ConnectorError(
        'unsupported',
        `a deferred constraint refused the transaction as a whole (${reason}). Make it NOT DEFERRABLE, so that the row can be found.`,
        { cause: error },
      );
    }
  }

  #settle(state: 'none'): void {
    this.#state = state;
    this.#touched.clear();
  }
}

function isFencedError(error: unknown): boolean {
  return isConnectorError(error) && error.code === 'fenced';
}
