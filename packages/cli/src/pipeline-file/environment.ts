import { parseEnv } from 'node:util';
import { readText } from './read.js';

/** Names and values, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The environment with what the files of `--env-file` add: a later file wins over an earlier one, and what is really set
 * wins over all files, so that a single run can be changed without touching a file.
 *
 * @throws {BadInput} when a file cannot be read
 */
export async function withEnvFiles(environment: Environment, files: readonly string[]): Promise<Environment> {
  const added: Record<string, string | undefined> = {};
  for (const file of files) Object.assign(added, parseEnv(await readText(file, 'env file')));
  return { ...added, ...environment };
}
