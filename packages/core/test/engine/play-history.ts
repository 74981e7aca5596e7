import { type ConnectorError, isConnectorError } from '../../src/error.js';
import type { PipelineEvent } from '../../src/pipeline-definition.js';
import { type MemoryInstance, type MemorySystem, memorySystem } from '../../src/testing/index.js';
import type { History, HistoryEvent } from './history.js';
import { Journal } from './journal.js';
import { MendedMessages } from './mended-messages.js';
import { definePipeline, shutdownTimeoutMs } from './model-pipeline.js';
import { type PlayedSource, playedSources } from './played-source.js';
import { produce, produceAll } from './produce.js';
import type { NamedFault } from './random-faults.js';
import { scriptFaults } from './script-faults.js';
import { seededRandom } from './seeded-random.js';
import { watchBudget } from './watch-budget.js';
import { type Watched, watchHistory } from './watch-history.js';

/** One run of the pipeline in a process of its own. */
export interface Life {
  readonly instance: MemoryInstance;
  readonly stop: AbortController;
  /** When it was stopped, in milliseconds; undefined if it was not. */
  stoppedMs: number | undefined;
  /** When it began and ended, as steps of the journal. */
  readonly startedAt: number;
  /** When it has to have done its work: at its own end, or after enough time without a fault. Undefined: it never had to. */
  doneAt: number | undefined;
  endedAt: number;
  /** Whether it shared the outside world with another life. */
  twin: boolean;
  /** Undefined while it runs. */
  end: 'crashed' | 'resolved' | ConnectorError | undefined;
  /** What it told that it had left unsettled; undefined when it could tell nothing. */
  unsettled: number | undefined;
}

/** A history that was played to its end. */
export interface Played {
  readonly history: History;
  readonly system: MemorySystem;
  readonly lives: readonly Life[];
  readonly journal: Journal;
  /** What went wrong on the way. */
  readonly problems: readonly string[];
  readonly sources: readonly PlayedSource[];
  /** How many invalid messages were dropped, as the events told. */
  readonly dropped: number;
}

/** However long a back-off or a hang may be, a life ends within this time. */
const lifeLimitMs = 600_000;
/** How long lives that do not end by themselves run among faults. */
const unboundedLifeMs = 20_000;
/** In this time all is settled where nothing goes wrong, however low the rate limit. */
const settledWithinMs = 60_000;

/** Plays a history: lives follow one another until all faults are over, and the last one has to finish the work. */
export async function playHistory(history: History): Promise<Played> {
  const random = seededRandom(history.seed);
  Math.random = random;
  const system = memorySystem({ sessionTimeoutMs: 2000, revokeTimeoutMs: 40_000 });
  const sources = playedSources(history);
  const journal = new Journal(system, sources);
  for (const source of sources) produceAll(system, source);
  const mended = new MendedMessages(system, history, sources);
  const watched = { history, sources, journal, mended };
  watchHistory(system, watched);
  watchBudget(system, watched);
  const failNext = scriptFaults({ system, history, random, journal });
  const player = new Player(system, watched, failNext);
  await player.play();
  const { lives, problems, dropped } = player;
  return { history, system, lives, journal, problems, sources, dropped };
}

class Player {
  readonly lives: Life[] = [];
  readonly problems: string[] = [];
  dropped = 0;
  readonly #system: MemorySystem;
  readonly #history: History;
  readonly #sources: readonly PlayedSource[];
  readonly #journal: Journal;
  readonly #mended: MendedMessages;
  readonly #failNext: (next: NamedFault) => void;
  #eventsLeft: number;

  constructor(
    system: MemorySystem,
    { history, sources, journal, mended }: Watched,
    failNext: (next: NamedFault) => void,
  ) {
    this.#system = system;
    this.#failNext = failNext;
    this.#history = history;
    this.#sources = sources;
    this.#journal = journal;
    this.#mended = mended;
    this.#eventsLeft = history.events.length;
  }

  async play(): Promise<void> {
    const { clock, faults } = this.#system;
    for (const event of this.#history.events) clock.after(event.atMs, () => this.#happen(event));
    this.#endStreams();
    // Each life but the last ends by a crash, a stop, a fenced claim or an invalid message, of which a history has only so many.
    const messages = this.#sources.flatMap(({ kinds }) => kinds.flat()).length;
    const mostLives = 2 * this.#history.events.length + this.#history.faults.length + messages + 2;
    for (let count = 0; count < mostLives; count += 1) {
      this.#start();
      await this.#watchLives();
      if (this.#eventsLeft === 0 && this.lives.at(-1)?.end === 'resolved') break;
      await clock.advance(100);
    }
    await clock.run(() => this.#eventsLeft === 0);
    faults.stop();
    await this.#playLastLife();
  }

  /** Resolves when every life has ended; those that do not end by themselves are stopped when they have done their work. */
  async #watchLives(): Promise<void> {
    const { clock, faults } = this.#system;
    let surprises = true;
    if (!this.#history.bounded)
      clock.after(unboundedLifeMs, () => {
        surprises = false;
      });
    await clock.run(() => this.#running().length === 0 || (!surprises && this.#eventsLeft === 0), lifeLimitMs);
    if (this.#running().length === 0) return;
    faults.stop();
    await this.#finishWork();
  }

  /** Without faults all that is left settles by itself. */
  async #finishWork(): Promise<void> {
    const { clock } = this.#system;
    if (!this.#history.bounded) await clock.advance(settledWithinMs);
    const working = this.#running();
    if (!this.#history.bounded)
      for (const life of working) {
        life.doneAt = this.#journal.step();
        this.#stop(life);
      }
    await clock.run(() => this.#running().length === 0, lifeLimitMs);
    // What the outside system has discarded never comes again, and nobody tells.
    if (this.#history.events.some(({ action }) => action === 'discard')) return;
    for (const { instance, twin, unsettled = 0 } of working)
      if (!twin && unsettled > 0) this.problems.push(`${instance.name} left ${unsettled} unsettled, without any fault`);
  }

  /** All faults are over: what is left is finished. */
  async #playLastLife(): Promise<void> {
    this.#mended.mendAll();
    const last = this.#start();
    await this.#finishWork();
    if (last.end !== 'resolved')
      this.problems.push(`the last life ended with ${describeEnd(last.end)}, without any fault`);
  }

  #running(): Life[] {
    return this.lives.filter(({ end }) => end === undefined);
  }

  #start(): Life {
    const instance = this.#system.instance(`life ${this.lives.length + 1}`);
    const running = this.#running();
    const life: Life = {
      instance,
      stop: new AbortController(),
      stoppedMs: undefined,
      startedAt: this.#journal.step(),
      doneAt: undefined,
      endedAt: Number.POSITIVE_INFINITY,
      twin: running.length > 0,
      end: undefined,
      unsettled: undefined,
    };
    for (const other of running) other.twin = true;
    this.lives.push(life);
    instance.onCrash(() => this.#ended(life, 'crashed'));
    definePipeline(
      { system: this.#system, instance, sources: this.#sources, mended: this.#mended },
      this.#history,
      (event) => this.#hear(life, event),
    )
      .run({ signal: life.stop.signal })
      .then(
        () => this.#ended(life, 'resolved'),
        (error: unknown) => this.#failed(life, error),
      );
    return life;
  }

  #hear(life: Life, event: PipelineEvent): void {
    if (event.type === 'stopped') life.unsettled = event.summary.unsettled;
    if (event.type === 'deadLetter' && event.dropped) this.dropped += event.count;
    if (event.type === 'notice') this.#journal.positionLost(event.part, this.#history.onPositionLost);
  }

  #ended(life: Life, end: Life['end']): void {
    if (life.end !== undefined) return;
    life.end = end;
    life.endedAt = this.#journal.step();
    if (end === 'resolved' && life.stoppedMs === undefined) life.doneAt = life.endedAt;
    // A lock of the store dies with its process, and only then when a release was refused.
    if (this.#history.exclusiveStore) life.instance.crash();
  }

  #failed(life: Life, error: unknown): void {
    if (!isConnectorError(error)) {
      this.problems.push(`a run rejected with ${String(error)}`);
      return;
    }
    this.#ended(life, error);
    // Who shares the outside world learns in one of these ways that another has gone on.
    const discards = this.#sources.some(({ config }) => config.discardCommitted === true);
    const overtaken = error.code === 'fenced' || (error.code === 'position_lost' && discards);
    // A shutdown is over after its time, also when the checkpoint store has not answered by then.
    const stoppedFor = this.#system.clock.now() - (life.stoppedMs ?? Number.POSITIVE_INFINITY);
    if (error.code === 'timeout' && stoppedFor >= shutdownTimeoutMs) return;
    // Of two that were stopped by the same message one comes when it is mended.
    const stopped = error.code === 'message_invalid' && this.#history.onInvalid?.startsWith('stop');
    if (stopped && (this.#mended.mendFirst() || life.twin)) return;
    if (!life.twin || !overtaken) this.problems.push(`a run failed with ${describeEnd(error)}`);
  }

  #happen({ action, ...event }: HistoryEvent): void {
    this.#eventsLeft -= 1;
    const source = this.#sources[event.source % this.#sources.length];
    const partition = source?.partitions[event.partition % source.partitions.length];
    const [oldest] = this.#running();
    if (event.fault !== undefined) this.#failNext(event.fault);
    if (action === 'crash') oldest?.instance.crash();
    else if (action === 'stop') this.#stop(oldest);
    else if (action === 'twin' && oldest !== undefined) this.#start();
    else if (source !== undefined && partition !== undefined) this.#happenTo(source, partition, action);
    this.#endStreams();
  }

  #stop(life: Life | undefined): void {
    if (life === undefined) return;
    life.stoppedMs ??= this.#system.clock.now();
    life.stop.abort();
  }

  #happenTo(source: PlayedSource, partition: string, action: HistoryEvent['action']): void {
    const stream = this.#system.stream(source.stream);
    const group = stream.group('model');
    if (action === 'produce') produce(this.#system, source.stream, partition, ['pass', 'expand']);
    else if (action === 'lose') {
      this.#journal.lost(source, partition);
      group.lose(partition);
    } else if ((action === 'loseForAWhile' || action === 'release') && source.config.partitions === 'assigned') {
      if (action === 'loseForAWhile') {
        this.#journal.lost(source, partition);
        group.lose(partition, null);
      } else {
        this.#journal.released(source, partition);
        group.assignment.assign(partition, null);
      }
      this.#eventsLeft += 1;
      this.#system.clock.after(700, () => {
        this.#eventsLeft -= 1;
        group.assignment.assign(partition, undefined);
        this.#endStreams();
      });
    } else if (action === 'move') group.assignment.assign(partition, this.#running().at(-1)?.instance.name);
    else if (this.#history.onPositionLost === undefined) return;
    else if (action === 'discard') {
      const before = Math.ceil(stream.log(partition).entries.length / 2);
      this.#journal.discarded(source, partition, before);
      stream.discard(partition, before);
    } else if (action === 'replace') {
      this.#journal.replaced(source);
      stream.identity += '+';
    }
  }

  #endStreams(): void {
    if (this.#eventsLeft === 0 && this.#history.bounded)
      for (const { stream } of this.#sources) this.#system.stream(stream).end();
  }
}

function describeEnd(end: Life['end']): string {
  return typeof end === 'object' ? `${end.code}: ${end.message}` : String(end);
}

/** One line for people: how each life ended. */
export function describeLives({ lives }: Played): string {
  return lives
    .map(({ instance, end, twin }) => `${instance.name}${twin ? ' (shared)' : ''}: ${describeEnd(end)}`)
    .join('; ');
}
