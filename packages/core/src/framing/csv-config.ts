/** How rows are read and written. */
export interface CsvConfig {
  readonly type: 'csv';
  /** Between two fields; one ASCII character. */
  readonly delimiter: string;
  /** Around a field that holds a delimiter, newline or quote (doubled then); one ASCII character, or no quoting at all. */
  readonly quote: string | false;
  /** Whether the first row holds the names of the columns. */
  readonly header: boolean;
  /** The names of the columns, in order. */
  readonly columns?: readonly string[] | undefined;
  /** Whether a quote at the wrong place is taken literally instead of making its row invalid. */
  readonly relaxQuotes: boolean;
  readonly maxMessageBytes: number;
}
