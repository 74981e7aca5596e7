import { parse, TomlError } from 'smol-toml';
import { type AST, parseTOML } from 'toml-eslint-parser';
import { badInput } from '../problem.js';
import { type Path, type Place, pathKey, type Tree } from './tree.js';

/**
 * Reads TOML.
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

/** Where each key and each item of an array begins, which the library that reads the values does not tell. */
function keyPlaces(text: string, file: string): Map<string, Place> {
  const places = new Map<string, Place>([['[]', { file, line: 1, column: 1 }]]);
  const add = (path: Path, { loc: { start } }: AST.TOMLNode): void => {
    // A table that is continued elsewhere began where it was first named.
    if (!places.has(pathKey(path))) places.set(pathKey(path), { file, line: start.line, column: start.column + 1 });
  };
  const walkKeyValue = ({ key, value }: AST.TOMLKeyValue, table: Path): void => {
    const steps = key.keys.map((step) => (step.type === 'TOMLBare' ? step.name : step.value));
    for (const [index, step] of key.keys.entries()) add([...table, ...steps.slice(0, index + 1)], step);
    walkValue(value, [...table, ...steps]);
  };
  const walkValue = (value: AST.TOMLContentNode, path: Path): void => {
    if (value.type === 'TOMLInlineTable') for (const pair of value.body) walkKeyValue(pair, path);
    if (value.type !== 'TOMLArray') return;
    for (const [index, item] of value.elements.entries()) {
      add([...path, index], item);
      walkValue(item, [...path, index]);
    }
  };
  for (const node of parseTOML(text).body[0].body) {
    if (node.type === 'TOMLKeyValue') {
      walkKeyValue(node, []);
      continue;
    }
    for (let length = 1; length <= node.resolvedKey.length; length++) add(node.resolvedKey.slice(0, length), node);
    for (const pair of node.body) walkKeyValue(pair, node.resolvedKey);
  }
  return places;
}
