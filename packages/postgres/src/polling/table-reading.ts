import type { Position, ReadOptions, SourceBatch } from '@sluice/core/driver';
import { PageReader, type PollSurroundings } from './page-reader.js';
import { pause, settlingMs } from './pause.js';
import { type Horizon, lastPlace, lookAround, SettledCursor } from './poll-horizon.js';
import { lost, type PollPosition, parsePollPosition } from './poll-position.js';
import { namesOf, type PollTarget } from './poll-target.js';

/**
 * Reads the rows of a table in sweeps. Each goes over the table once, page by page, in the order of cursor and key, and brings
 * what was written by transactions that were over when it began and were not when the one before began: so also rows that stand
 * before those that were read, because their transaction was committed late, and no row twice.
 *
 * A row that is new and whose transaction is too young ends the sweep: the next one begins there.
 */
export class TableReading {
  readonly #surroundings: PollSurroundings;
  readonly #options: ReadOptions;
  readonly #pages: PageReader;
  readonly #settled = new SettledCursor();
  #position: PollPosition | undefined;

  constructor(surroundings: PollSurroundings, options: ReadOptions) {
    this.#surroundings = surroundings;
    this.#options = options;
    this.#pages = new PageReader(surroundings, options);
  }

  /** Until the signal is aborted, or until all is read when it is bounded. */
  async *batches(stored: Position | undefined): AsyncGenerator<SourceBatch> {
    const { bounded, wakes, rest, config, client } = this.#surroundings;
    const { signal, start = config.start } = this.#options;
    const target = await this.#pages.target();
    let horizon = await this.#look(target);
    const end = bounded ? await lastPlace(client, target, []) : undefined;
    if (end === null) return;
    let sweep = stored === undefined ? undefined : resumed(stored, target, horizon);
    if (sweep === undefined && start === 'latest') {
      sweep = await this.#atLast(target, horizon);
      yield { messages: [], position: sweep, bytes: 0 };
    }
    let seen = horizon.xmax;
    let settlings = 0;
    while (!signal.aborted) {
      const current = sweep ?? this.#next(target, horizon);
      sweep = undefined;
      const { isWhole, pages } = yield* this.#sweep(current, end?.[0]);
      const before = BigInt(current.before ?? 0);
      // What was written before this look has come, or its transaction was undone.
      const isSettled = isWhole && before >= seen;
      if (end !== undefined && isSettled) return;
      const isResting = end === undefined && (wakes ? isSettled : isWhole);
      if (isResting) await rest(signal);
      // After a cut, a small sweep would be followed by others without end while somebody writes.
      else if (horizon.xmin <= before && pages < 2) await pause(settlingMs(settlings++), signal);
      if (signal.aborted) return;
      horizon = await this.#look(target);
      if (horizon.xmin > before) settlings = 0;
      if (isResting) seen = horizon.xmax;
    }
  }

  async #look(target: PollTarget): Promise<Horizon> {
    const horizon = await lookAround(this.#surroundings.client, target, this.#surroundings.config.parameters);
    this.#settled.look(horizon);
    return horizon;
  }

  async #atLast(target: PollTarget, { xmin }: Horizon): Promise<PollPosition> {
    const top = await lastPlace(this.#surroundings.client, target, []);
    const id = String(xmin);
    return {
      columns: namesOf(target),
      at: null,
      top,
      isNew: false,
      after: id,
      before: id,
      floor: null,
      nextFloor: null,
    };
  }

  #next(target: PollTarget, { xmin }: Horizon): PollPosition {
    const last = this.#position;
    return {
      columns: namesOf(target),
      at: null,
      top: (last?.isNew ? last.at : last?.top) ?? null,
      isNew: false,
      after: last?.before ?? null,
      before: String(xmin),
      floor: last?.nextFloor ?? null,
      nextFloor: this.#settled.value ?? last?.nextFloor ?? null,
    };
  }

  async *#sweep(
    from: PollPosition,
    upTo: string | undefined,
  ): AsyncGenerator<SourceBatch, { readonly isWhole: boolean; readonly pages: number }> {
    this.#position = from;
    for (let pages = 1; ; pages++) {
      const { rows, isLast } = await this.#pages.read(this.#position, upTo);
      const cut = rows.findIndex(({ isYoung }) => isYoung);
      const ready = cut < 0 ? rows : rows.slice(0, cut);
      yield* this.#pages.batches(ready, from);
      const last = ready.at(-1);
      if (last !== undefined) this.#position = { ...from, at: last.place, isNew: last.isNew };
      if (cut >= 0 || isLast || this.#options.signal.aborted) return { isWhole: cut < 0 && isLast, pages };
    }
  }
}

/** @throws {ConnectorError} `position_lost` when it means nothing here */
function resumed(stored: Position, target: PollTarget, { xmax }: Horizon): PollPosition {
  const position = parsePollPosition(stored, namesOf(target));
  if (position.before === null) throw lost('is one of a query');
  if (BigInt(position.before) > xmax) throw lost('is ahead of the server, which was restored to an earlier state');
  return position;
}
