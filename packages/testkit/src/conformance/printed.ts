import { inspect } from 'node:util';

/** Everything that could be printed of a value: all depths, hidden properties, the whole chain of causes, and as JSON. */
function printed(value: unknown): string {
  const inspected = inspect(value, { depth: null, maxArrayLength: null, maxStringLength: null, showHidden: true });
  return `${inspected}\n${String(value)}\n${asJson(value)}`;
}

function asJson(value: unknown): string {
  try {
    return JSON.stringify(value) ?? '';
  } catch {
    return 'not JSON'; // circular, and so it cannot be printed as JSON
  }
}

/** @throws {Error} when one of the secrets could be printed with the value; the error itself does not hold it */
export function expectNoSecret(value: unknown, secrets: readonly string[], what: string): void {
  const text = printed(value);
  for (const [index, secret] of secrets.entries()) {
    if (text.includes(secret)) throw new Error(`${what} shows a secret (number ${index + 1} of the harness)`);
  }
}
