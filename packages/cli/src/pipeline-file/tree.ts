/** From the root of a pipeline file to one of its values. */
export type Path = readonly (string | number)[];

/** Where something was written. */
export interface Place {
  /** As the user named it, or the command line option. */
  readonly file: string;
  /** From 1; undefined when only the file is known. */
  readonly line?: number;
  /** From 1. */
  readonly column?: number;
}

/** What a pipeline file says, with where each value stands. */
export interface Tree {
  readonly value: unknown;
  /** By {@link pathKey}. */
  readonly places: ReadonlyMap<string, Place>;
  /**
   * By {@link pathKey}: the text of values that came from a variable or the command line and were given a type by how they
   * look. A field that takes a string gets the text after all: a password `0123` is not the number 123.
   */
  readonly texts: ReadonlyMap<string, string>;
}

/** What a path is called in the maps of a {@link Tree}. */
export function pathKey(path: Path): string {
  return JSON.stringify(path);
}

/** The place of a value or, where that is not known, of what holds it. */
export function placeOf(tree: Tree, path: Path): Place | undefined {
  for (let length = path.length; length >= 0; length--) {
    const place = tree.places.get(pathKey(path.slice(0, length)));
    if (place !== undefined) return place;
  }
  return undefined;
}

/** The value at a path, undefined when there is none. */
export function valueAt(value: unknown, path: Path): unknown {
  let current = value;
  for (const step of path) {
    if (Array.isArray(current) && typeof step === 'number') current = current[step];
    else if (isMap(current)) current = current[step];
    else return undefined;
  }
  return current;
}

/** The same value with something else at a path; maps that lead there are made. */
export function withValueAt(value: unknown, path: Path, replacement: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return replacement;
  if (Array.isArray(value)) {
    return value.map((item: unknown, index) => (index === step ? withValueAt(item, rest, replacement) : item));
  }
  const map = isMap(value) ? value : {};
  return { ...map, [step]: withValueAt(map[step], rest, replacement) };
}

/** Whether a value is a map of a pipeline file: neither a scalar, nor an array, nor a date. */
export function isMap(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
