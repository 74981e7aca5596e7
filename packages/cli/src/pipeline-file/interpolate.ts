import type { Problem } from '../problem.js';
import { whyUnreadable } from './read.js';
import { scalarOf } from './scalar.js';
import { isMap, type Path, pathKey, placeOf, type Tree } from './tree.js';

/** Where the values of `${...}` come from. */
export interface Variables {
  /** The environment, with what `--env-file` adds. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The content of the file in `${file:...}`; throws when it cannot be read. */
  readFile(path: string): string;
  /** Told of every text that came from a file: it must never be printed. */
  onSecret(text: string): void;
}

/**
 * Replaces `${VAR}`, `${VAR:-default}`, `${file:path}` and `$$` in every scalar, after parsing, so a value can never change the
 * structure. A scalar that is nothing but one `${VAR}` gets the type it looks like; where the field takes a string, it is one
 * again. What was put in is not looked at again. A variable that is not set and has no default, and a reference that cannot be
 * read, is a problem, and its scalar is left out.
 */
export function interpolate(
  tree: Tree,
  variables: Variables,
): { readonly tree: Tree; readonly problems: readonly Problem[] } {
  const texts = new Map(tree.texts);
  const problems: Problem[] = [];

  const replaceScalar = (text: string, path: Path): unknown => {
    const place = placeOf(tree, path);
    let failed = false;
    const fail = (message: string): string => {
      failed = true;
      problems.push({ message, path, ...(place === undefined ? {} : { place }) });
      return '';
    };
    const replaced = text.replaceAll(/\$\$|\$\{([^}]*)(\}?)/g, (whole, expression: string | undefined, end: string) => {
      if (expression === undefined) return '$';
      if (end === '') return fail(`"${whole}" has no closing "}"; write $$ for a dollar sign`);
      return lookUp(expression, variables, fail);
    });
    if (failed) return undefined;
    if (!/^\$\{(?!file:)[^}]*\}$/.test(text)) return replaced;
    texts.set(pathKey(path), replaced);
    return scalarOf(replaced);
  };

  const walk = (value: unknown, path: Path): unknown => {
    if (typeof value === 'string') return value.includes('$') ? replaceScalar(value, path) : value;
    if (Array.isArray(value)) return value.map((item, index) => walk(item, [...path, index]));
    if (!isMap(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, [...path, key])]));
  };

  const value = walk(tree.value, []);
  return { tree: { value, places: tree.places, texts }, problems };
}

function lookUp(expression: string, variables: Variables, fail: (message: string) => string): string {
  if (expression.startsWith('file:')) return readSecret(expression.slice('file:'.length), variables, fail);
  const [, name, fallback] = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(expression) ?? [];
  if (name === undefined) {
    return fail(
      `"\${${expression}}" is not a reference; write \${VAR}, \${VAR:-default}, \${file:path}, or $$ for a dollar sign`,
    );
  }
  // Its "}" would be the end of the outer one, and what is left would become a part of the value.
  if (fallback?.includes('${'))
    return fail(`the default of variable ${name} holds another "\${"; a default is plain text: write it out`);
  const value = variables.environment[name];
  if (fallback !== undefined) return value === undefined || value === '' ? fallback : value;
  return value ?? fail(`variable ${name} is not set; set it, or give a default with \${${name}:-default}`);
}

function readSecret(path: string, variables: Variables, fail: (message: string) => string): string {
  try {
    // Editors and `echo` end a file with a newline that is no part of the secret.
    const text = variables.readFile(path).replace(/\r?\n$/, '');
    if (text !== '') variables.onSecret(text);
    return text;
  } catch (error) {
    return fail(`\${file:${path}} cannot be read: ${whyUnreadable(error)}`);
  }
}
