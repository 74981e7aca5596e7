import { isAbsolute, relative, sep } from 'node:path';
import picomatch from 'picomatch';
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

/** Whether an absolute path matches, whether or not there is such a file. `realPath` resolves the folder that the pattern begins in. */
export async function matchesPattern(
  pattern: string,
  path: string,
  realPath: (path: string) => Promise<string>,
): Promise<boolean> {
  const { base, glob: rest } = picomatch.scan(pattern);
  const inside = relative(await realPath(literalPath(base) || '.'), path);
  return picomatch.isMatch(inside.replaceAll(sep, '/'), rest, { posix: true });
}
