import { quoted, quotedList } from '../identifier.js';
import type { CopyRows } from './copy-rows.js';
import type { ChangeStep } from './row-changes.js';
import type { Session } from './session.js';
import type { TablePlan, WritePlan } from './tables.js';

/** Where a plan is. */
export interface Progress {
  /** Rows that are being copied straight into their table, to know what it failed at; undefined while something else is done. */
  copying?: CopyRows | undefined;
  /** Called when the server has something to do and this process has not. */
  readonly onWaiting?: () => void;
}

/** Does what a plan says, on a connection that has a transaction open. Rejects with the server's error. */
export async function writeRows(session: Session, { tables }: WritePlan, progress: Progress = {}): Promise<void> {
  for (const plan of tables) {
    for (const step of plan.steps) {
      if (step.kind === 'append') {
        progress.copying = step.rows;
        await session.copy(plan.table.name, step.rows, progress.onWaiting);
        progress.copying = undefined;
      } else await change(session, plan, step, progress);
    }
  }
}

/** Whether a plan is a single COPY, which is a transaction by itself. */
export function isOneCopy({ tables }: WritePlan): boolean {
  const [first, more] = tables;
  return more === undefined && first?.steps.length === 1 && first.steps[0]?.kind === 'append';
}

async function change(session: Session, plan: TablePlan, step: ChangeStep, progress: Progress): Promise<void> {
  const { name } = plan.table;
  if (step.kind === 'truncate') return await session.run(`TRUNCATE ${name}`);
  if (step.kind === 'move') {
    if (!(await moved(session, plan, step))) await put(session, plan, step.put, progress);
    return;
  }
  if (step.deletes !== undefined) await remove(session, plan, step.deletes);
  for (const rows of step.puts) await put(session, plan, rows, progress);
}

async function remove(session: Session, { table, key }: TablePlan, rows: CopyRows): Promise<void> {
  const staging = await stage(session, table.name, rows);
  const same = key.map((column) => `target.${quoted(column)} = gone.${quoted(column)}`).join(' AND ');
  await session.run(`DELETE FROM ${table.name} AS target USING ${staging} AS gone WHERE ${same}; TRUNCATE ${staging}`);
}

async function put(session: Session, { table, key }: TablePlan, rows: CopyRows, progress: Progress): Promise<void> {
  const staging = await stage(session, table.name, rows);
  const columns = quotedList(rows.columns);
  const rest = rows.columns.filter((column) => !key.includes(column));
  const change = rest.map((column) => `${quoted(column)} = EXCLUDED.${quoted(column)}`).join(', ');
  // The last clause lets a column take the value of its source that would otherwise always get one of its own.
  const inserting = session.run(
    `INSERT INTO ${table.name} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${columns} FROM ${staging}
     ON CONFLICT (${quotedList(key)}) DO ${change === '' ? 'NOTHING' : `UPDATE SET ${change}`}; TRUNCATE ${staging}`,
  );
  progress.onWaiting?.();
  await inserting;
}

/** Gives a row its new key and values. Returns whether there was one. */
async function moved(
  session: Session,
  { table, key }: TablePlan,
  { row, key: oldKey }: Extract<ChangeStep, { kind: 'move' }>,
): Promise<boolean> {
  const change = row.columns.map((column, at) => `${quoted(column)} = $${at + 1}`).join(', ');
  const same = key.map((column, at) => `${quoted(column)} = $${row.columns.length + at + 1}`).join(' AND ');
  const { rowCount } = await session.query(`UPDATE ${table.name} SET ${change} WHERE ${same}`, [
    ...row.texts,
    ...oldKey,
  ]);
  return rowCount !== 0;
}

async function stage(session: Session, table: string, rows: CopyRows): Promise<string> {
  const staging = await session.stagingTable(table, rows.columns);
  await session.copy(staging, rows);
  return staging;
}
