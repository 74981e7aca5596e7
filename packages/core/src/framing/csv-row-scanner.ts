/** Finds where rows end, across chunks. */
export interface CsvRowScanner {
  /**
   * Goes on at `from` and returns where the row ends, after its newline, or -1 when the buffer ends first: the next buffer is
   * then scanned from 0.
   */
  scan(buffer: Uint8Array, from: number): number;
  /** Whether the row so far ends inside quotes. */
  readonly quoted: boolean;
  /** The next byte begins a row. */
  reset(): void;
}

const lf = 0x0a;

/** Where a byte stands in its row. */
const fieldStart = 0;
const unquoted = 1;
const quoted = 2;
/** After a quote inside quotes: it either ends them or is the first half of a doubled one. */
const quoteInQuoted = 3;

/**
 * Cuts rows and nothing more; the library makes the fields. It cuts because the library holds back the last bytes of what it
 * has until more come (a row that was just appended to a file would wait for the next one), knows neither the bytes of a row that it
 * refuses nor how to go on after it, and does not bound a row whose quote is never closed.
 */
export function csvRowScanner(delimiter: number, quote: number | undefined): CsvRowScanner {
  let state: number = fieldStart;
  return {
    scan(buffer, from) {
      for (let at = from; at < buffer.length; at++) {
        const byte = buffer[at];
        if (state === quoted) {
          if (byte === quote) state = quoteInQuoted;
        } else if (byte === quote && state !== unquoted) {
          state = quoted;
        } else if (byte === lf) {
          state = fieldStart;
          return at + 1;
        } else {
          state = byte === delimiter ? fieldStart : unquoted;
        }
      }
      return -1;
    },
    get quoted() {
      return state === quoted;
    },
    reset() {
      state = fieldStart;
    },
  };
}
