const newline = 0x0a;

/** Cuts what COPY sends in its text format into lines, one for each row, wherever the network has cut it. */
export class CopyLines {
  #rest: Buffer | undefined;

  /** The lines that are whole now. */
  add(chunk: Buffer): string[] {
    const end = chunk.lastIndexOf(newline);
    if (end < 0) {
      this.#rest = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
      return [];
    }
    const whole = chunk.subarray(0, end);
    const text = (this.#rest === undefined ? whole : Buffer.concat([this.#rest, whole])).toString();
    this.#rest = end + 1 === chunk.length ? undefined : chunk.subarray(end + 1);
    return text.split('\n');
  }
}

/** The values of a line, by column; null is NULL: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2 */
export function copyValues(line: string, columns: number): (string | null)[] {
  // A row of no columns and a row of one empty text look alike.
  if (columns === 0) return [];
  const values: (string | null)[] = line.split('\t');
  if (!line.includes('\\')) return values;
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (value?.includes('\\')) values[index] = value === '\\N' ? null : unescaped(value);
  }
  return values;
}

const letters: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, letter: string) => letters[letter] ?? letter);
}
