import { BatchError, type BatchFailure, type Message } from '@sluice/core/driver';
import { isRefusal, lineOf } from '../error.js';
import { type Attempt, findRefused } from './find-refused.js';
import type { Session } from './session.js';
import type { Messages, Tables } from './tables.js';
import { type Writing, writeRows } from './write-rows.js';

/**
 * Writes all messages of a batch that the server does not refuse, inside the transaction that is open, and returns the others.
 *
 * @param maxFailures ends early; what is written then is not all
 */
export async function writeAllowed(
  session: Session,
  tables: Tables,
  messages: readonly Message[],
  maxFailures?: number,
): Promise<readonly BatchFailure[]> {
  const attempt = (from: number, to: number): Promise<Attempt> =>
    inSavepoint(session, tables, indexed(messages.slice(from, to), from));
  return await findRefused(messages.length, attempt, maxFailures);
}

/** Messages with their indexes, from `first` on. */
export function indexed(messages: readonly Message[], first = 0): Messages {
  return { messages, indexes: messages.map((_, index) => first + index) };
}

async function inSavepoint(session: Session, tables: Tables, messages: Messages): Promise<Attempt> {
  const plan = tables.plan(messages);
  const [refused] = plan?.refused ?? [];
  if (refused !== undefined) return { error: refused.error, at: refused.index };
  if (plan === undefined) throw new BatchError([]); // Everything was learnt before; a table that changed meanwhile is learnt again.
  const writing: Writing = { savepoint: 'part' };
  try {
    await writeRows(session, plan, writing);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    await session.run('ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part');
    const line = lineOf(error);
    return { error, at: line === undefined ? undefined : writing.copying?.origins[line - 1] };
  }
  return undefined;
}
