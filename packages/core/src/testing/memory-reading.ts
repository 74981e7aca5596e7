import { ConnectorError, isConnectorError } from '../error.js';
import type { Position, ReadOptions, SourceBatch } from '../source-driver.js';
import { type Cursor, logCursor, passingCursor, queueCursor, type Taken } from './memory-cursor.js';
import type { Lease } from './memory-group.js';
import { never } from './memory-instance.js';
import { placeOf, positionOf } from './memory-position.js';
import type { SourceSetup } from './memory-source.js';

/** What is read. */
export interface ReadingRequest {
  readonly partition: string;
  /** Of the system that the reader was opened on. */
  readonly identity: string;
  readonly position: Position | undefined;
  readonly options: ReadOptions;
  /** False: the partition belongs to somebody else already. */
  readonly held: boolean;
}

/** One lease with its iterator, which waits while nothing is there and hands over what was produced. */
export class Reading implements AsyncIterable<SourceBatch> {
  readonly lease: Lease;
  /** What the engine asked to read from. */
  readonly startPosition: Position | undefined;
  readonly #setup: SourceSetup;
  readonly #options: ReadOptions;
  readonly #startError: ConnectorError | undefined;
  /** The iterator has ended, or threw. */
  #done = false;
  #pulling = false;
  #ended = false;

  constructor(setup: SourceSetup, request: ReadingRequest) {
    const { group, instance } = setup;
    this.#setup = setup;
    this.#options = request.options;
    this.startPosition = request.position;
    this.#startError = findStartError(setup, request);
    this.lease = {
      id: group.leases.length + 1,
      instance: instance.name,
      partition: request.partition,
      identity: request.identity,
      cursor: createCursor(setup, request),
      state: request.held ? 'held' : 'lost',
    };
    group.leases.push(this.lease);
  }

  /** Whether the iterator has ended, so that the partition may be read again or let go. */
  get over(): boolean {
    return this.#ended || (this.#done && !this.#pulling);
  }

  /** Whether the engine knows that the lease is over, so that it must not commit any more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Throws `lease_lost` unless the outside system still knows the lease. */
  checkHeld(): void {
    if (this.lease.state === 'held') return;
    throw new ConnectorError('lease_lost', `partition "${this.lease.partition}" is not held any more`);
  }

  /** Ends the lease; what was not committed is given back. */
  end(): void {
    this.#done = true;
    this.#ended = true;
    this.#giveBack();
  }

  [Symbol.asyncIterator](): AsyncIterator<SourceBatch, undefined> {
    return { next: () => this.#next(), return: () => this.#return() };
  }

  #giveBack(): void {
    if (this.lease.state !== 'held') return;
    this.lease.state = 'ended';
    this.lease.cursor.giveBack();
    this.#setup.stream.changes.notify();
  }

  async #next(): Promise<IteratorResult<SourceBatch, undefined>> {
    const { instance, violations, config, group } = this.#setup;
    if (this.#pulling) throw violations.report(`two pulls of partition "${this.lease.partition}" at once`);
    if (this.#done) return { done: true, value: undefined };
    this.#pulling = true;
    try {
      const batch = await this.#pull();
      if (batch !== undefined) return { done: false, value: batch };
      this.#done = true;
      return { done: true, value: undefined };
    } catch (error) {
      this.#done = true;
      // A read that was aborted has only stopped fetching: the lease lives until its iterator is ended.
      if (this.#options.signal.aborted) throw error;
      // A member that is told so by a fault has lost the partition: its group tells it a set without it.
      const isMember = config.partitions === 'assigned' && this.lease.state === 'held';
      if (isMember && isConnectorError(error) && error.code === 'lease_lost') group.lose(this.lease.partition);
      this.#giveBack();
      // A commit is refused from here on. It is the engine's mistake when it could see the error: not in this instant, and not when it
      // has aborted the read in the same one, because it cannot know then which of the two has ended it.
      instance.clock.after(0, () => {
        if (!this.#options.signal.aborted) this.end();
      });
      throw error;
    } finally {
      this.#pulling = false;
    }
  }

  async #pull(): Promise<SourceBatch | undefined> {
    const { config, stream, instance } = this.#setup;
    const { cursor } = this.lease;
    const { signal } = this.#options;
    if (this.#startError !== undefined) throw this.#startError;
    for (;;) {
      if (!instance.alive) return await never();
      if (this.#done || signal.aborted) return undefined;
      this.checkHeld();
      if (!cursor.ready()) {
        if (config.bounded && cursor.exhausted()) return undefined;
        await stream.changes.changed(signal);
        continue;
      }
      const before = cursor.taken;
      const taken = await this.#take();
      if (taken === undefined) return undefined;
      // Another reader of the queue may have been faster.
      if (taken.next > before) return batchOf(this.#setup, this.lease, taken);
    }
  }

  #take(): Promise<Taken | undefined> {
    const { stream, instance } = this.#setup;
    const { partition, cursor } = this.lease;
    return instance.perform({
      name: 'source.read',
      target: stream.name,
      partition,
      signal: this.#options.signal,
      effect: (fault) => {
        this.checkHeld();
        return fault.outcome === 'end' ? undefined : cursor.take(limitOf(this.#setup, this.#options));
      },
    });
  }

  async #return(): Promise<IteratorResult<SourceBatch, undefined>> {
    const { instance, violations } = this.#setup;
    if (!instance.alive) return await never();
    if (!this.#done && !this.#options.signal.aborted)
      throw violations.report(
        `the iterator of partition "${this.lease.partition}" ended before its signal was aborted`,
      );
    this.end();
    return { done: true, value: undefined };
  }
}

/** A queue has no places that outlive a lease, and what merely passes by has no places at all. */
function createCursor(setup: SourceSetup, request: ReadingRequest): Cursor {
  const { stream, group, config } = setup;
  const log = stream.log(request.partition);
  const progress = group.progress(request.partition);
  const setupOfCursor = { log, progress, window: config.window ?? Number.POSITIVE_INFINITY };
  if (config.position === 'none') return passingCursor(setupOfCursor);
  if (!config.replayable) return queueCursor(setupOfCursor);
  return logCursor(setupOfCursor, startPlace(setup, request), config.discardCommitted);
}

function startPlace({ stream, group, config }: SourceSetup, { partition, position, options }: ReadingRequest): number {
  const log = stream.log(partition);
  const place = placeOf(position);
  if (place !== undefined) return place.next;
  const committed = group.progress(partition).committed;
  if (options.start === undefined && config.position === 'source' && committed !== undefined) return committed;
  return (options.start ?? config.start) === 'earliest' ? log.start : log.entries.length;
}

function findStartError(setup: SourceSetup, request: ReadingRequest): ConnectorError | undefined {
  const { stream, config } = setup;
  if (config.position === 'none' || !config.replayable) return undefined;
  const { partition, position } = request;
  if (position !== undefined && placeOf(position) === undefined)
    return new ConnectorError('position_lost', `${JSON.stringify(position)} is not a position of a memory stream`);
  const log = stream.log(partition);
  const start = startPlace(setup, request);
  if (start >= log.start && start <= log.entries.length) return undefined;
  return new ConnectorError(
    'position_lost',
    `partition "${partition}" of ${stream.name} has nothing at ${start} any more`,
  );
}

function limitOf(
  { config }: SourceSetup,
  { maxMessages, maxBytes }: ReadOptions,
): { maxMessages: number; maxBytes: number } {
  return { maxMessages: Math.min(maxMessages, config.batchMessages ?? maxMessages), maxBytes };
}

function batchOf({ config }: SourceSetup, lease: Lease, { entries, nexts, next }: Taken): SourceBatch {
  const failures = entries.flatMap(({ failure }, index) => (failure === undefined ? [] : [{ index, error: failure }]));
  return {
    messages: entries.map(({ message }) => message),
    position: positionOf({ next, lease: lease.id }),
    bytes: entries.reduce((sum, entry) => sum + entry.bytes, 0),
    ...(failures.length === 0 ? {} : { failures }),
    ...(config.lag ? { lag: lease.cursor.waiting } : {}),
    ...(config.positionAt
      ? { positionAt: (index: number) => positionOf({ next: nexts[index] ?? next, lease: lease.id }) }
      : {}),
  };
}
