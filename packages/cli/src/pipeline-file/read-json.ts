import { type ParseError, parse, printParseErrorCode } from 'jsonc-parser';
import { badInput } from '../problem.js';
import { readYaml } from './read-yaml.js';
import type { Tree } from './tree.js';

/**
 * Reads JSON. It is a subset of YAML, whose reader tells the places and finds a key that is there twice; but YAML takes more.
 *
 * @throws {BadInput} with the first syntax error, because the others mostly follow from it
 */
export function readJson(text: string, file: string): Tree {
  const errors: ParseError[] = [];
  parse(text.replace(/^\uFEFF/, ' '), errors, { disallowComments: true, allowTrailingComma: false });
  const [first] = errors;
  if (first === undefined) return readYaml(text, file);
  const linesBefore = text.slice(0, first.offset).split('\n');
  const place = { file, line: linesBefore.length, column: (linesBefore.at(-1)?.length ?? 0) + 1 };
  // `CloseBraceExpected`: close brace expected.
  const reason = printParseErrorCode(first.error)
    .replace(/\B[A-Z]/g, ' $&')
    .toLowerCase();
  throw badInput(`this is not JSON: ${reason}. It has no comments and no trailing commas; YAML has`, place);
}
