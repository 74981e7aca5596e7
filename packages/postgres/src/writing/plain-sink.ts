import { BatchError, type Message, type SinkBatch, type SinkDriver } from '@sluice/core/driver';
import { isRefusal } from '../error.js';
import { indexed, writeAllowed } from './attempt.js';
import type { Session } from './session.js';
import type { Tables, WritePlan } from './tables.js';
import { isOneCopy, writeRows } from './write-rows.js';

/** One of the connections of a {@link PlainSink}, and what is known there. */
interface Worker {
  readonly session: Session;
  readonly tables: Tables;
}

/** Commits every write by itself, several at the same time. */
export class PlainSink implements SinkDriver {
  readonly #workers: readonly Worker[];
  readonly #idle: Worker[];
  readonly #waiting: ((worker: Worker) => void)[] = [];

  constructor(sessions: readonly Session[], makeTables: () => Tables) {
    this.#workers = sessions.map((session) => ({ session, tables: makeTables() }));
    this.#idle = [...this.#workers];
  }

  async write({ messages }: SinkBatch, signal: AbortSignal): Promise<void> {
    const worker = this.#idle.pop() ?? (await new Promise<Worker>((resolve) => this.#waiting.push(resolve)));
    try {
      await worker.session.guarded(signal, () => writeBatch(worker, messages));
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#idle.push(worker);
      else next(worker);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map(({ session }) => session.close()));
  }
}

async function writeBatch(worker: Worker, messages: readonly Message[]): Promise<void> {
  const { session, tables } = worker;
  const plan = tables.plan(indexed(messages)) ?? (await learn(worker, messages));
  try {
    if (plan.refused.length > 0) await inParts(worker, messages);
    else if (isOneCopy(plan)) await writeRows(session, plan);
    else await inTransaction(session, () => writeRows(session, plan));
  } catch (error) {
    // It may come from a table that has changed.
    tables.forget();
    if (!isRefusal(error)) throw error;
    await learn(worker, messages);
    await inParts(worker, messages);
  }
}

async function learn({ session, tables }: Worker, messages: readonly Message[]): Promise<WritePlan> {
  try {
    await inTransaction(session, () => tables.learn(session, indexed(messages)));
  } catch (error) {
    tables.forget();
    throw error;
  }
  const plan = tables.plan(indexed(messages));
  if (plan === undefined) throw new Error('a table is unknown after it was looked up');
  return plan;
}

async function inParts({ session, tables }: Worker, messages: readonly Message[]): Promise<void> {
  const failures = await inTransaction(session, () => writeAllowed(session, tables, messages));
  if (failures.length > 0) throw new BatchError(failures);
}

async function inTransaction<T>(session: Session, action: () => Promise<T>): Promise<T> {
  await session.run('BEGIN');
  try {
    const result = await action();
    await session.run('COMMIT');
    return result;
  } catch (error) {
    await session.run('ROLLBACK').catch(() => undefined); // The connection is gone, and the transaction with it.
    throw error;
  }
}
