import { isAbsolute } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';

/** Whether a configured path stands for any number of files. */
export function isPattern(path: string): boolean {
  return isDynamicPattern(path);
}

/** The file that a path which is no pattern names: without the backslashes that take a character as it is. */
export function literalPath(path: string): string {
  return path.replaceAll(/\\([\\*?[\]{}()!+@])/g, '$1');
}

/** The files that match now, in the order of their names' code units, relative when the pattern is. */
export async function matchingFiles(pattern: string): Promise<readonly string[]> {
  const files = await glob(pattern, { absolute: isAbsolute(pattern), expandDirectories: false });
  return files.sort();
}
