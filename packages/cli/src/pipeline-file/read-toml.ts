import { parse, TomlError } from 'smol-toml';
import { badInput } from '../problem.js';
import { isMap, type Path, type Place, pathKey, type Tree } from './tree.js';

/**
 * Reads TOML.
 *
 * The library tells where a syntax error is, but not where a key stands. So keys are found by reading the lines again, each
 * with the same library: a table header or a `key =` gives the place of that key, and what lies inside an inline table or an
 * array has the place of the key that holds it.
 *
 * @throws {BadInput} with the syntax error
 */
export function readToml(text: string, file: string): Tree {
  return { value: parseToml(text, file), places: keyPlaces(text, file), texts: new Map() };
}

function parseToml(text: string, file: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split('\n', 1)[0] ?? error.message;
    throw badInput(reason, { file, line: error.line, column: error.column }, error);
  }
}

function keyPlaces(text: string, file: string): Map<string, Place> {
  const places = new Map<string, Place>([['[]', { file, line: 1, column: 1 }]]);
  let table: Path = [];
  for (const [index, line] of text.split('\n').entries()) {
    const column = line.search(/\S/) + 1;
    const header = /^\s*\[([^[\]]+)\]\s*(#.*)?$/.exec(line)?.[1];
    const key = /^\s*([\w."' -]+?)\s*=/.exec(line)?.[1];
    const path = header === undefined ? key && [...table, ...(keyPath(key) ?? [])] : keyPath(header);
    if (path === undefined || path === '') continue;
    if (header !== undefined) table = path;
    for (let length = 1; length <= path.length; length++) {
      const name = pathKey(path.slice(0, length));
      if (!places.has(name)) places.set(name, { file, line: index + 1, column });
    }
  }
  return places;
}

/** The steps of a dotted key, undefined when the text is none (a line inside a multi-line string). */
function keyPath(key: string): Path | undefined {
  const steps: string[] = [];
  try {
    let value: unknown = parse(`${key} = 0`);
    while (isMap(value)) {
      const [step] = Object.keys(value);
      if (step === undefined) return undefined;
      steps.push(step);
      value = value[step];
    }
  } catch {
    return undefined;
  }
  return steps;
}
