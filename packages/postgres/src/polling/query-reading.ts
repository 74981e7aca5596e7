import type { Position, ReadOptions, SourceBatch } from '@sluice/core/driver';
import { PageReader, type PollSurroundings } from './page-reader.js';
import { pause, settlingMs } from './pause.js';
import { lastPastPlace, lookAround, SettledCursor } from './poll-horizon.js';
import { lost, type PollPosition, parsePollPosition } from './poll-position.js';
import { namesOf, type PollTarget } from './poll-target.js';

/**
 * Reads the rows of a query or view, which do not tell who wrote them: up to a cursor value below which nothing can be committed
 * any more, and from there on when that value has grown.
 */
export class QueryReading {
  readonly #surroundings: PollSurroundings;
  readonly #options: ReadOptions;
  readonly #pages: PageReader;
  readonly #settled = new SettledCursor();
  #top: readonly string[] | null = null;

  constructor(surroundings: PollSurroundings, options: ReadOptions) {
    this.#surroundings = surroundings;
    this.#options = options;
    this.#pages = new PageReader(surroundings, options);
  }

  /** Until the signal is aborted, or until all is read when it is bounded. */
  async *batches(stored: Position | undefined): AsyncGenerator<SourceBatch> {
    const { bounded, rest, config, client } = this.#surroundings;
    const { signal, start = config.start } = this.#options;
    const target = await this.#pages.target();
    let sweep = stored === undefined ? undefined : parsePollPosition(stored, namesOf(target));
    if (sweep !== undefined) this.#top = (sweep.isNew ? sweep.at : sweep.top) ?? null;
    if (typeof sweep?.before === 'string') throw lost('is one of a table');
    if (sweep === undefined && start === 'latest') {
      this.#top = await lastPastPlace(client, target, config.parameters);
      sweep = this.#from(target, this.#top);
      yield { messages: [], position: sweep, bytes: 0 };
    }
    let swept: string | undefined;
    let settlings = 0;
    for (let looks = 1; !signal.aborted; looks++) {
      const horizon = await lookAround(client, target, config.parameters);
      if (bounded && horizon.newest === undefined) return;
      this.#settled.look(horizon);
      const upTo = this.#settled.value;
      const isGrown = upTo !== undefined && (upTo !== swept || config.lookback > 0);
      if (isGrown) {
        sweep ??= this.#from(target, config.lookback > 0 ? null : this.#top);
        yield* this.#sweep(sweep, upTo);
        sweep = undefined;
        swept = upTo;
        if (bounded) return;
      }
      const isSettling = bounded || this.#settled.next !== swept;
      // Two looks are needed where nobody writes.
      if (looks === 1) continue;
      if (isSettling && !isGrown) {
        await pause(settlingMs(settlings++), signal);
      } else {
        settlings = 0;
        await rest(signal);
      }
    }
  }

  #from(target: PollTarget, at: readonly string[] | null): PollPosition {
    return {
      columns: namesOf(target),
      at,
      top: this.#top,
      isNew: false,
      after: null,
      before: null,
      floor: this.#top?.[0] ?? null,
      nextFloor: null,
    };
  }

  async *#sweep(from: PollPosition, upTo: string): AsyncGenerator<SourceBatch> {
    let position = from;
    for (;;) {
      const { rows, isLast } = await this.#pages.read(position, upTo);
      yield* this.#pages.batches(rows, from);
      const last = rows.at(-1);
      if (last !== undefined) {
        position = { ...from, at: last.place, isNew: last.isNew };
        if (last.isNew) this.#top = last.place;
      }
      if (isLast || this.#options.signal.aborted) return;
    }
  }
}
