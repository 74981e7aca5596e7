import { readdir } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { RotateSettings } from './config.js';
import { rotatedName, rotationNumber } from './rotated-name.js';

/** Whether an output of this length, whose first bytes were written at `begunAt`, is complete. */
export function isRotationDue(rotate: RotateSettings | undefined, length: number, begunAt: number): boolean {
  if (rotate === undefined || length === 0) return false;
  const { maxBytes, maxAgeMs } = rotate;
  return (maxBytes !== undefined && length >= maxBytes) || (maxAgeMs !== undefined && Date.now() - begunAt >= maxAgeMs);
}

/** The name for the next rotated file: one above the highest number that is in use. */
export async function nextRotatedName(path: string): Promise<string> {
  const name = basename(path);
  const numbers = (await readdir(dirname(path))).map((other) => rotationNumber(name, other) ?? 0);
  return rotatedName(name, numbers.reduce((a, b) => Math.max(a, b), 0) + 1);
}
