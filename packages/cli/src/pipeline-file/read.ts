import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { messageOf } from '../message-of.js';
import { badInput } from '../problem.js';
import { readJson } from './read-json.js';
import { readToml } from './read-toml.js';
import { readYaml } from './read-yaml.js';
import type { Tree } from './tree.js';

/** The names that pipeline files of plain data end with. */
const readers: Readonly<Record<string, (text: string, file: string) => Tree>> = {
  '.yaml': readYaml,
  '.yml': readYaml,
  '.json': readJson,
  '.toml': readToml,
};

/** The names that pipelines in code end with. */
const moduleEndings: readonly string[] = ['.ts', '.mts', '.js', '.mjs'];

/** Whether a pipeline file is code. */
export function isModule(file: string): boolean {
  return moduleEndings.includes(extname(file));
}

/**
 * Reads one pipeline file of plain data.
 *
 * @throws {BadInput} when it cannot be read, has another ending, or is malformed, with line and column
 */
export async function readPipelineFile(file: string): Promise<Tree> {
  const reader = readers[extname(file)];
  if (reader === undefined) {
    const endings = [...Object.keys(readers), ...moduleEndings].join(', ');
    throw badInput(`a pipeline file ends with one of ${endings}`, { file });
  }
  return reader(await readText(file, 'pipeline file'), file);
}

/**
 * The text of a file that the user named.
 *
 * @throws {BadInput} that says why it cannot be read
 */
export async function readText(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw badInput(`the ${what} cannot be read: ${whyUnreadable(error)}`, { file }, error);
  }
}

/** Why a file could not be read, and what to do. */
export function whyUnreadable(error: unknown): string {
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file; check the path',
    EACCES: 'no permission to read it; run as a user who may, or change its mode',
    EISDIR: 'it is a folder; name a file in it',
  };
  // Node's file errors always carry a code.
  const { code } = error as NodeJS.ErrnoException;
  return reasons[code ?? ''] ?? messageOf(error);
}
