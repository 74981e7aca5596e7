import { parseArgs } from 'node:util';

/** What a benchmark is told on its command line. */
export type BenchOptions<Name extends string = never> = Readonly<Record<'messages' | 'repeat' | Name, number>> & {
  /** Whether the result is printed as JSON and not as a table. */
  readonly json: boolean;
};

/**
 * Reads `--json`, `--messages`, `--repeat` and whatever else has a default, all of them whole numbers above 0, from the command line.
 *
 * @param defaults so many messages that what opening costs, once, does not count, and how many rounds are measured
 * @throws Error when an option is none of these, or no such number
 */
export function benchOptions<Name extends string = never>(
  defaults: Readonly<Record<'messages' | 'repeat' | Name, number>>,
  args: readonly string[] = process.argv.slice(2),
): BenchOptions<Name> {
  const numbers = Object.keys(defaults);
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      ...Object.fromEntries(numbers.map((name) => [name, { type: 'string' as const }])),
    },
  });
  const given: Readonly<Record<string, unknown>> = { ...defaults, ...values };
  return {
    json: values.json,
    ...Object.fromEntries(numbers.map((name) => [name, countOf(name, given[name])])),
  } as BenchOptions<Name>; // with each of the numbers
}

function countOf(name: string, value: unknown): number {
  const count = Number(value);
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new Error(`--${name} takes a whole number above 0, not "${String(value)}"`);
}
