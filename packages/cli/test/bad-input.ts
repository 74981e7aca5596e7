import { expect } from 'vitest';
import { eventsOf, makeFolder, type SluiceResult, sluice } from './sluice-process.js';

/** A pipeline file with nothing wrong. */
export const good = `name: good
source: { connector: generate, config: { count: 10 } }
sink: { connector: drop }
`;

/** One clear line, no stack, the right exit code. */
export function expectOneError(result: SluiceResult, code: number, text: RegExp): void {
  const plain = result.stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
  const logged = eventsOf(result.stderr).filter(({ event }) => event === 'failed');
  const errors = [...plain, ...logged.map(({ msg }) => String(msg))];
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatch(text);
  expect(result.stderr).not.toMatch(/\n\s+at /);
  expect(result.code).toBe(code);
}

/** Runs `p.yaml` with this text, beside these files. */
export async function runFile(
  text: string,
  files: Record<string, string> = {},
  args: readonly string[] = [],
): Promise<SluiceResult> {
  const folder = await makeFolder({ 'p.yaml': text, ...files });
  return await sluice(folder, ['run', 'p.yaml', ...args]);
}
