import { quoted, quotedList } from '../identifier.js';
import type { CopyRows } from './copy-rows.js';
import { type ApplyStep, placeColumn } from './keyed-changes.js';
import type { ChangeStep } from './row-changes.js';
import { type Progress, Script } from './script.js';
import type { Session } from './session.js';
import type { TablePlan, WritePlan } from './tables.js';
import type { TargetTable } from './target-table.js';

/** How a plan is carried out. */
export interface Writing extends Progress {
  /** The name of a savepoint that is set before, and released when all of it was done. */
  readonly savepoint?: string;
}

/** Does what a plan says, on a connection that has a transaction open. Rejects with the server's error. */
export async function writeRows(session: Session, { tables }: WritePlan, writing: Writing = {}): Promise<void> {
  const script = new Script(session, writing);
  if (writing.savepoint !== undefined) script.add(`SAVEPOINT ${writing.savepoint}`);
  for (const plan of tables) {
    for (const step of plan.steps) {
      if (step.kind === 'append') await script.copy(plan.table.name, step.rows);
      else await change(script, plan, step);
    }
  }
  if (writing.savepoint !== undefined) script.add(`RELEASE SAVEPOINT ${writing.savepoint}`);
  await script.send();
}

/** Whether a plan is a single COPY, which is a transaction by itself. */
export function isOneCopy({ tables }: WritePlan): boolean {
  const [first, more] = tables;
  return more === undefined && first?.steps.length === 1 && first.steps[0]?.kind === 'append';
}

async function change(script: Script, plan: TablePlan, step: ChangeStep): Promise<void> {
  const { name } = plan.table;
  if (step.kind === 'truncate') return script.add(`TRUNCATE ${name}`);
  if (step.kind === 'move') {
    await script.send();
    if (await moved(script.session, plan, step)) return;
    await removeOne(script.session, plan, step.key);
    await put(script, plan, step.put);
    return;
  }
  const { deletes, puts } = await spelledOneWay(script, plan, step);
  if (deletes !== undefined) await remove(script, plan, deletes);
  for (const rows of puts) await put(script, plan, rows);
}

/** Has the server find the keys that are the same to it: that depends on the column's type and collation. */
async function spelledOneWay(script: Script, { table, key }: TablePlan, step: ApplyStep): Promise<ApplyStep> {
  const { spellings } = step;
  if (spellings === undefined) return step;
  const staging = await script.stage(table.name, spellings.keys, placeColumn);
  await script.send();
  const { rows } = await script.session.query<{ places: readonly number[] }>(
    `SELECT array_agg(${placeColumn}) AS places FROM ${staging} GROUP BY ${quotedList(key)} HAVING count(*) > 1`,
    [],
  );
  script.add(`TRUNCATE ${staging}`);
  return rows.length === 0 ? step : spellings.step(rows.map(({ places }) => places));
}

async function remove(script: Script, { table, key }: TablePlan, rows: CopyRows): Promise<void> {
  const staging = await script.stage(table.name, rows);
  const same = key.map((column) => `target.${quoted(column)} = gone.${quoted(column)}`).join(' AND ');
  script.add(`DELETE FROM ${table.name} AS target USING ${staging} AS gone WHERE ${same}`, `TRUNCATE ${staging}`);
}

async function put(script: Script, { table, key }: TablePlan, rows: CopyRows): Promise<void> {
  const staging = await script.stage(table.name, rows);
  const columns = quotedList(rows.columns);
  const rest = rows.columns.filter((column) => !key.includes(column) && !isFixed(table, column));
  const change = rest.map((column) => `${quoted(column)} = EXCLUDED.${quoted(column)}`).join(', ');
  // The last clause lets a column take the value of its source that would otherwise always get one of its own.
  script.add(
    `INSERT INTO ${table.name} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${columns} FROM ${staging}
     ON CONFLICT (${quotedList(key)}) DO ${change === '' ? 'NOTHING' : `UPDATE SET ${change}`}`,
    `TRUNCATE ${staging}`,
  );
}

/**
 * Gives a row its new key and values. Returns whether that was done: there may be no such row or, where changes may come again, one
 * that has the new key already, because this one was made before. Where they may not, that is refused: keys that are handed on from row
 * to row, under a constraint that is checked late, would lose a row each.
 */
async function moved(
  session: Session,
  { table, key, mayRepeat }: TablePlan,
  { row, key: oldKey }: Extract<ChangeStep, { kind: 'move' }>,
): Promise<boolean> {
  const columns = row.columns.filter((column) => key.includes(column) || !isFixed(table, column));
  const change = columns.map((column, at) => `${quoted(column)} = $${at + 1}`).join(', ');
  const isNew = key.map((column) => `${quoted(column)} = $${columns.indexOf(column) + 1}`).join(' AND ');
  const isOld = sameKey(key, columns.length + 1);
  const isFree = mayRepeat ? `AND NOT EXISTS (SELECT FROM ${table.name} WHERE ${isNew} AND NOT (${isOld}))` : '';
  const { rowCount } = await session.query(`UPDATE ${table.name} SET ${change} WHERE ${isOld} ${isFree}`, [
    ...columns.map((column) => row.texts[row.columns.indexOf(column)] ?? null),
    ...oldKey,
  ]);
  return rowCount !== 0;
}

function isFixed({ columns }: TargetTable, name: string): boolean {
  return columns.get(name)?.isFixed === true;
}

async function removeOne(
  session: Session,
  { table, key }: TablePlan,
  values: readonly (string | null)[],
): Promise<void> {
  await session.query(`DELETE FROM ${table.name} WHERE ${sameKey(key, 1)}`, values);
}

/** Whether the key has the values of parameters, from one on. */
function sameKey(key: readonly string[], first: number): string {
  return key.map((column, at) => `${quoted(column)} = $${first + at}`).join(' AND ');
}
