import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { within } from './deadline.js';

/** Which connector is imported and described. */
export interface DescribeOrder {
  readonly url: string;
  readonly name: string;
}

/** What that did. */
export interface Described {
  /** URLs of modules that were not loaded by the core before. */
  readonly loaded: readonly string[];
  /** Names of resources that it holds open. */
  readonly open: readonly string[];
}

/** Beside this file, built or not. */
const program = fileURLToPath(new URL(`./describe-child${extname(import.meta.url)}`, import.meta.url));

/**
 * Imports and describes a connector in a process of its own.
 *
 * @throws {Error} when the process fails, or does not end by itself in time
 */
export async function describeInChild(order: DescribeOrder, patienceMs: number): Promise<Described> {
  const child = spawn(process.execPath, [program, JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = once(child, 'close');
  const output = text(child.stdout);
  const errors = text(child.stderr);
  try {
    await within(patienceMs, closed, 'a process that only imports and describes the connector ends');
  } finally {
    child.kill('SIGKILL');
    await closed;
  }
  if (child.exitCode !== 0) throw new Error(`importing and describing the connector fails: ${(await errors).trim()}`);
  return JSON.parse(await output) as Described; // describe-child.ts prints nothing else
}
