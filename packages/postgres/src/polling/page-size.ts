/** How many rows are asked for before their size is known. */
const firstRows = 10;
const mostRows = 2000;

/** Finds how many rows fill so many bytes, by those that came before. */
export class PageSize {
  readonly #maxBytes: number;
  #rows = firstRows;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get rows(): number {
    return this.#rows;
  }

  /** What a page of these rows held. */
  learn(rows: number, bytes: number): void {
    if (rows === 0) return;
    const fitting = Math.floor((this.#maxBytes * rows) / Math.max(1, bytes));
    // In steps, because the next rows may be larger.
    this.#rows = Math.max(1, Math.min(fitting, this.#rows * 4, mostRows));
  }
}
