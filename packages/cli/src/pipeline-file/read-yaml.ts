import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml';
import { messageOf } from '../message-of.js';
import { badInput } from '../problem.js';
import { type Path, type Place, pathKey, type Tree } from './tree.js';

/**
 * Reads YAML.
 *
 * @throws {BadInput} with the first syntax error, because the others mostly follow from it
 */
export function readYaml(text: string, file: string): Tree {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true });
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  const [error]: readonly YAMLError[] = [...document.errors, ...document.warnings];
  if (error !== undefined) {
    const place = placeAt(error.pos[0]);
    // The library's own text tells its caller which function to use instead.
    const reason =
      error.code === 'MULTIPLE_DOCS' ? 'a pipeline file holds one document; remove the "---"' : error.message;
    throw badInput(`${reason}${hint(text.split('\n')[(place.line ?? 1) - 1])}`, place, error);
  }
  const places = new Map<string, Place>([['[]', { file, line: 1, column: 1 }]]);

  const walk = (node: unknown, path: Path): void => {
    const target = isAlias(node) ? node.resolve(document) : node;
    if (isMap(target)) {
      for (const pair of target.items) {
        const child = [...path, isScalar(pair.key) ? String(pair.key.value) : String(pair.key)];
        places.set(pathKey(child), placeAt(startOf(pair.key)));
        walk(pair.value, child);
      }
    } else if (isSeq(target)) {
      for (const [index, item] of target.items.entries()) {
        places.set(pathKey([...path, index]), placeAt(startOf(item)));
        walk(item, [...path, index]);
      }
    }
  };

  // Aliases are resolved first, because this also limits how much they may expand to.
  const value = toPlain(document, (node) => (node === undefined ? { file } : placeAt(startOf(node))));
  walk(document.contents, []);
  return { value, places, texts: new Map() };
}

function toPlain(document: Document.Parsed, placeOfNode: (node: Node | undefined) => Place): unknown {
  try {
    return document.toJS();
  } catch (error) {
    // An alias without anchor, or aliases that expand without end: the library tells no position.
    throw badInput(messageOf(error), placeOfNode(wrongAlias(document)), error);
  }
}

/** The first alias without anchor, else the last one: it is where expanding was given up. */
function wrongAlias(document: Document.Parsed): Node | undefined {
  let found: Node | undefined;
  visit(document, {
    Alias: (_key, alias) => {
      found = alias;
      return alias.resolve(document) === undefined ? visit.BREAK : undefined;
    },
  });
  return found;
}

/** The braces of a variable mean something else to YAML where a map or list stands in one line. */
function hint(line = ''): string {
  return /[{[][^'"]*\$\{/.test(line) ? '; inside { } and [ ] put "${VAR}" in quotes' : '';
}

function startOf(node: unknown): number {
  // Keys and items of a parsed document are nodes or null; only nodes carry a range.
  const range = (node as Node | null)?.range;
  return range?.[0] ?? 0;
}
