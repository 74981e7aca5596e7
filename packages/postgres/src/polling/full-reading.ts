import { type Position, type ReadOptions, type SourceBatch, z } from '@sluice/core/driver';
import { PageReader, type PollSurroundings } from './page-reader.js';
import { lost, type PollPosition } from './poll-position.js';
import { namesOf } from './poll-target.js';
import { rowBatches } from './row-batches.js';

/** The last row of a pass; null between passes. */
const storedPosition = z.strictObject({ columns: z.array(z.string()), at: z.array(z.string()).nullable() });

/** Reads all rows in the order of the key, page by page; once, or again and again. */
export class FullReading {
  readonly #surroundings: PollSurroundings;
  readonly #options: ReadOptions;
  readonly #pages: PageReader;

  constructor(surroundings: PollSurroundings, options: ReadOptions) {
    this.#surroundings = surroundings;
    this.#options = options;
    this.#pages = new PageReader(surroundings, options);
  }

  /** Until the signal is aborted, or until all is read when it is bounded. */
  async *batches(stored: Position | undefined): AsyncGenerator<SourceBatch> {
    const { bounded, rest } = this.#surroundings;
    const { signal } = this.#options;
    const columns = namesOf(await this.#pages.target());
    let at = stored === undefined ? null : parsePosition(stored, columns);
    while (!signal.aborted) {
      const { rows, isLast } = await this.#pages.read(placeOf(columns, at), undefined);
      const placed = rows.map(({ row, place }) => ({ row, position: () => ({ columns, at: place }) }));
      yield* rowBatches(placed, await this.#pages.target(), this.#options);
      at = rows.at(-1)?.place ?? at;
      if (!isLast) continue;
      at = null;
      if (!signal.aborted) yield { messages: [], position: { columns, at }, bytes: 0 };
      if (bounded) return;
      await rest(signal);
    }
  }
}

function placeOf(columns: readonly string[], at: readonly string[] | null): PollPosition {
  const none = { top: null, isNew: true, after: null, before: null, floor: null, nextFloor: null };
  return { columns, at, ...none };
}

/** @throws {ConnectorError} `position_lost` when it is none of these columns */
function parsePosition(position: Position, columns: readonly string[]): readonly string[] | null {
  const result = storedPosition.safeParse(position);
  if (!result.success) throw lost('is not one of refresh: full');
  if (JSON.stringify(result.data.columns) === JSON.stringify(columns)) return result.data.at;
  throw lost(`goes by ${result.data.columns.join(', ')}, and the config by ${columns.join(', ')}`);
}
