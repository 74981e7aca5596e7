import { type CopyRows, CopyText, type Refuse } from './copy-rows.js';
import type { RowShape, RowShapes } from './row-reader.js';

/** What a row is to have. */
export interface Put {
  readonly shape: RowShape;
  readonly texts: readonly (string | null)[];
}

/** What one message does to the row of its key. */
export interface KeyedChange {
  readonly index: number;
  readonly key: readonly string[];
  /** One text for the key. */
  readonly id: string;
  /** Undefined where the row is deleted. */
  readonly put: Put | undefined;
}

/** At most one change for each key: first the deletes, then the rows, in groups that have the same columns. */
export interface ApplyStep {
  readonly kind: 'apply';
  readonly deletes: CopyRows | undefined;
  readonly puts: readonly CopyRows[];
  /** Where keys that differ as texts may be the same for the server. */
  readonly spellings?: Spellings;
}

/** Keys of which the server has to say whether some are the same. */
export interface Spellings {
  /** The columns of the key, and {@link placeColumn}. */
  readonly keys: CopyRows;
  /** What is to be done, given the places of keys that are the same. */
  readonly step: (same: readonly (readonly number[])[]) => ApplyStep;
}

/** The column that holds a key's place. */
export const placeColumn = 'sluice_place';

/** What {@link applyStep} needs to know. */
export interface KeyedSetup {
  /** Columns of the key. */
  readonly key: readonly string[];
  readonly shapes: RowShapes;
  readonly refuse: Refuse;
}

/** What becomes of the row of one key. */
interface Outcome {
  readonly index: number;
  /** The key, where what is there has to go, so that columns which are not named get their defaults. */
  readonly deleted: readonly string[] | undefined;
  readonly put: Put | undefined;
}

/**
 * Makes changes of the same key one.
 *
 * @param isCanonical whether keys are the same only if their texts are
 */
export function applyStep(changes: readonly KeyedChange[], isCanonical: boolean, setup: KeyedSetup): ApplyStep {
  const step = stepOf(changes, ({ id }) => id, setup);
  if (isCanonical) return step;
  const keys = new Map(changes.map(({ id, key, index }) => [id, { key, index }]));
  if (keys.size === 1) return step;
  const text = new CopyText([...setup.key, placeColumn], setup.refuse);
  let place = 0;
  for (const { key, index } of keys.values()) text.addTexts([...key, `${place++}`], index);
  const ids = [...keys.keys()];
  const regrouped = (same: readonly (readonly number[])[]): ApplyStep => {
    const names = new Map(same.flatMap((places) => places.map((at) => [ids[at], ids[places[0] ?? at]])));
    return stepOf(changes, ({ id }) => names.get(id) ?? id, setup);
  };
  return { ...step, spellings: { keys: text.rows(), step: regrouped } };
}

function stepOf(
  changes: readonly KeyedChange[],
  idOf: (change: KeyedChange) => string,
  { key, shapes, refuse }: KeyedSetup,
): ApplyStep {
  const outcomes = new Map<string, Outcome>();
  for (const change of changes) {
    const id = idOf(change);
    const earlier = outcomes.get(id);
    const { index, put } = change;
    outcomes.set(id, {
      index,
      deleted: put === undefined ? change.key : earlier?.deleted,
      put: put && earlier?.put ? merged(earlier.put, put, { key, shapes }) : put,
    });
  }
  const deletes = new CopyText(key, refuse);
  const puts = new Map<RowShape, CopyText>();
  for (const { put, index, deleted } of outcomes.values()) {
    if (deleted !== undefined) deletes.addTexts(deleted, index);
    if (put === undefined) continue;
    const rows = puts.get(put.shape) ?? new CopyText(put.shape.columns, refuse);
    puts.set(put.shape, rows);
    rows.addTexts(put.texts, index);
  }
  const gone = deletes.rows();
  return {
    kind: 'apply',
    deletes: gone.origins.length === 0 ? undefined : gone,
    puts: [...puts.values()].map((rows) => rows.rows()),
  };
}

/** The key stays as the row got it, as it does where a row is updated. */
function merged(earlier: Put, later: Put, { key, shapes }: Pick<KeyedSetup, 'key' | 'shapes'>): Put {
  const { columns } = earlier.shape;
  const isSpelledAlike = (name: string): boolean =>
    earlier.texts[columns.indexOf(name)] === later.texts[columns.indexOf(name)];
  if (earlier.shape === later.shape && key.every(isSpelledAlike)) return later;
  const texts = new Map(columns.map((column, at) => [column, earlier.texts[at] ?? null]));
  for (const [at, column] of later.shape.columns.entries())
    if (!key.includes(column)) texts.set(column, later.texts[at] ?? null);
  const shape = texts.size === columns.length ? earlier.shape : shapes.of([...texts.keys()]);
  return { shape, texts: [...texts.values()] };
}
