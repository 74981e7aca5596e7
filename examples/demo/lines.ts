import { existsSync, readFileSync } from 'node:fs';

/** All lines of a small file; none when it does not exist. */
export function allLinesOf(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}
