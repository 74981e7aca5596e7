import { ConnectorError, type ReadOptions, type SourceBatch } from '@sluice/core/driver';
import type { TextClient, TextColumn } from '../text-client.js';
import { PageSize } from './page-size.js';
import { type PageRow, type PageWish, pageQuery, pageRows, takesLookback } from './poll-page.js';
import type { PollPosition } from './poll-position.js';
import { findTarget, type PollTarget } from './poll-target.js';
import type { PolledSettings } from './polled-fields.js';
import { bytesOf, rowBatches } from './row-batches.js';

/** What a reading needs of the source that it belongs to. */
export interface PollSurroundings {
  readonly client: TextClient;
  readonly config: PolledSettings;
  readonly bounded: boolean;
  /** Whether {@link PollSurroundings.rest} ends early when there may be something new. */
  readonly wakes: boolean;
  /** Waits until it is time to look again. Ends when the signal is aborted, and rejects when the connection is lost. */
  rest(signal: AbortSignal): Promise<void>;
}

/** Rows, and whether there were more to come. */
export interface Page {
  readonly rows: readonly PageRow[];
  readonly isLast: boolean;
}

/** Asks for pages of about as many bytes as a batch may have. */
export class PageReader {
  readonly #client: TextClient;
  readonly #config: PolledSettings;
  readonly #options: ReadOptions;
  readonly #size: PageSize;
  #target: PollTarget | undefined;

  constructor({ client, config }: PollSurroundings, options: ReadOptions) {
    this.#client = client;
    this.#config = config;
    this.#options = options;
    this.#size = new PageSize(options.maxBytes);
  }

  /** What is read, asked for once. */
  async target(): Promise<PollTarget> {
    this.#target ??= await checkedTarget(this.#client, this.#config);
    return this.#target;
  }

  /** The rows after a position. */
  async read(position: PollPosition, upTo: string | undefined): Promise<Page> {
    const target = await this.target();
    const { parameters, lookback, cursor } = this.#config;
    const maxRows = this.#size.rows;
    const wish: PageWish = { target, parameters, position, lookback, skipsNull: cursor !== undefined, upTo, maxRows };
    const { text, values } = pageQuery(wish);
    let bytes = 0;
    // Rows may be far larger than those before them.
    const found = await this.#client.some(text, values, (part) => {
      for (const row of part) bytes += bytesOf(row);
      return bytes > this.#options.maxBytes;
    });
    if (!areSame(found.columns.slice(0, -2), target.columns)) {
      // Columns were added, dropped or changed since.
      this.#target = undefined;
      return await this.read(position, upTo);
    }
    // The last one only shows that it stands at another place.
    const rows = pageRows(found, found.isAll ? wish : { ...wish, maxRows: Math.min(maxRows, found.rows.length - 1) });
    this.#size.learn(
      rows.length,
      rows.reduce((sum, { row }) => sum + bytesOf(row), 0),
    );
    return { rows, isLast: found.isAll && rows.length < maxRows };
  }

  /** Batches of rows that were read from a position. */
  async *batches(rows: readonly PageRow[], from: PollPosition): AsyncGenerator<SourceBatch> {
    const placed = rows.map(({ row, place, isNew }) => ({ row, position: () => ({ ...from, at: place, isNew }) }));
    yield* rowBatches(placed, await this.target(), this.#options);
  }
}

/** {@link findTarget}, whose cursor fits the config. */
export async function checkedTarget(client: TextClient, config: PolledSettings): Promise<PollTarget> {
  const target = await findTarget(client, config);
  const [cursor] = target.order;
  if (config.lookback === 0 || cursor === undefined || takesLookback(cursor.type)) return target;
  throw new ConnectorError(
    'config_invalid',
    `lookback needs a cursor that is a number or a time, and "${cursor.name}" is ${cursor.type}. Leave lookback out`,
  );
}

function areSame(some: readonly TextColumn[], others: readonly TextColumn[]): boolean {
  return JSON.stringify(some) === JSON.stringify(others);
}
