import { type ConnectorError, isConnectorError } from '../../src/error.js';
import type { Message } from '../../src/message.js';
import { type Pipeline, pipeline } from '../../src/pipeline.js';
import {
  keyText,
  type MemoryConnector,
  type MemoryInstance,
  type MemorySystem,
  memoryConnector,
  memorySystem,
} from '../../src/testing/index.js';
import { flatMap, map } from '../../src/transform.js';
import type { History, HistoryEvent, MessageKind } from './history.js';
import { watchHistory } from './invariants.js';
import { messageId, outputsOf } from './model-message.js';
import { seededRandom } from './seeded-random.js';

/** One run of the pipeline in a process of its own. */
export interface Life {
  readonly instance: MemoryInstance;
  readonly stop: AbortController;
  /** Whether it shared the outside world with another life. */
  twin: boolean;
  /** Undefined while it runs. */
  end: 'crashed' | 'resolved' | ConnectorError | undefined;
}

/** A history that was played to its end. */
export interface Played {
  readonly history: History;
  readonly system: MemorySystem;
  readonly lives: readonly Life[];
  /** What went wrong on the way. */
  readonly problems: readonly string[];
  /** Names of partitions, in order. */
  readonly partitions: readonly string[];
}

/** However long a back-off or a hang may be, a life ends within this time. */
const lifeLimitMs = 600_000;

/** Plays a history: lives follow one another until all faults are over, and the last one has to finish the work. */
export async function playHistory(history: History): Promise<Played> {
  const random = seededRandom(history.seed);
  Math.random = random;
  const system = memorySystem({ sessionTimeoutMs: 2000, revokeTimeoutMs: 40_000 });
  const partitions = produceAll(system, history);
  watchHistory(system, history);
  scriptFaults(system, history, random);
  const player = new Player(system, history, partitions);
  await player.play();
  return { history, system, lives: player.lives, problems: player.problems, partitions };
}

function produceAll(system: MemorySystem, history: History): string[] {
  const stream = system.stream('in');
  const names = history.source.partitions === 'single' ? [''] : history.partitions.map((_, index) => `p${index}`);
  for (const [index, name] of names.entries()) produce(system, name, history.partitions[index] ?? []);
  if (history.source.partitions !== 'assigned') stream.end();
  return names;
}

function produce(system: MemorySystem, partition: string, kinds: readonly MessageKind[]): void {
  const log = system.stream('in').log(partition);
  const messages = kinds.map((kind, index) => ({
    key: messageId(partition, log.entries.length + index, kind),
    payload: Buffer.from('x'),
    ...(kind === 'broken' ? { failure: new Error('broken') } : {}),
    control: kind === 'control',
  }));
  system.stream('in').produce(partition, messages);
}

function scriptFaults(system: MemorySystem, history: History, random: () => number): void {
  const counts = new Map<string, number>();
  system.faults.decideBy(({ name }) => {
    const nth = counts.get(name) ?? 0;
    counts.set(name, nth + 1);
    const scripted = history.faults.find((each) => each.name === name && each.nth === nth && isPossible(each, history));
    return scripted?.fault ?? { waitMs: Math.floor(random() * history.latencyMs) };
  });
}

/**
 * A lock that dies with its process cannot be taken or kept by somebody who was told otherwise; a run that ends in the same
 * process would keep it for ever here.
 */
function isPossible({ name, fault }: History['faults'][number], { exclusiveStore }: History): boolean {
  const locks = name === 'store.claim' || name === 'store.release';
  return !(locks && exclusiveStore && (fault.outcome ?? 'ok') !== 'ok' && fault.outcome !== 'crash');
}

class Player {
  readonly lives: Life[] = [];
  readonly problems: string[] = [];
  readonly #system: MemorySystem;
  readonly #history: History;
  readonly #partitions: readonly string[];
  #eventsLeft: number;

  constructor(system: MemorySystem, history: History, partitions: readonly string[]) {
    this.#system = system;
    this.#history = history;
    this.#partitions = partitions;
    this.#eventsLeft = history.events.length;
  }

  async play(): Promise<void> {
    const { clock, faults } = this.#system;
    for (const event of this.#history.events) clock.after(event.atMs, () => this.#happen(event));
    this.#endStream();
    // Each life but the last ends by a crash, a stop or a fenced claim, of which a history has only so many.
    const mostLives = this.#history.events.length + this.#history.faults.length + 2;
    for (let count = 0; count < mostLives; count += 1) {
      this.#start();
      await clock.run(() => this.#running().length === 0, lifeLimitMs);
      if (this.#eventsLeft === 0 && this.lives.at(-1)?.end === 'resolved') break;
      await clock.advance(100);
    }
    await clock.run(() => this.#eventsLeft === 0);
    faults.stop();
    await this.#playLastLife();
  }

  /** All faults are over: what is left is finished. */
  async #playLastLife(): Promise<void> {
    const { clock } = this.#system;
    const last = this.#start();
    await clock.run(() => last.end !== undefined, lifeLimitMs);
    if (last.end !== 'resolved')
      this.problems.push(`the last life ended with ${describeEnd(last.end)}, without any fault`);
  }

  #running(): Life[] {
    return this.lives.filter(({ end }) => end === undefined);
  }

  #start(): Life {
    const instance = this.#system.instance(`life ${this.lives.length + 1}`);
    const running = this.#running();
    const life: Life = { instance, stop: new AbortController(), twin: running.length > 0, end: undefined };
    for (const other of running) other.twin = true;
    this.lives.push(life);
    instance.onCrash(() => {
      life.end ??= 'crashed';
    });
    definePipeline(this.#system, instance, this.#history)
      .run({ signal: life.stop.signal })
      .then(
        () => {
          life.end ??= 'resolved';
        },
        (error: unknown) => this.#failed(life, error),
      );
    return life;
  }

  #failed(life: Life, error: unknown): void {
    if (!isConnectorError(error)) this.problems.push(`a run rejected with ${String(error)}`);
    else {
      life.end ??= error;
      // Who shares the outside world learns in one of these ways that another has gone on.
      const overtaken =
        this.lives.some(({ twin }) => twin) && (error.code === 'fenced' || error.code === 'position_lost');
      if (!overtaken) this.problems.push(`a run failed with ${describeEnd(error)}`);
    }
  }

  #happen({ action, partition }: HistoryEvent): void {
    this.#eventsLeft -= 1;
    const { clock } = this.#system;
    const stream = this.#system.stream('in');
    const name = this.#partitions[partition % this.#partitions.length] ?? '';
    const group = stream.group('model');
    const [oldest] = this.#running();
    if (action === 'crash') oldest?.instance.crash();
    else if (action === 'stop') oldest?.stop.abort();
    else if (action === 'twin' && oldest !== undefined) this.#start();
    else if (action === 'produce') produce(this.#system, name, ['pass', 'expand']);
    else if (action === 'lose') group.lose(name);
    else if (action === 'loseForAWhile' && this.#history.source.partitions === 'assigned') {
      group.lose(name, null);
      this.#eventsLeft += 1;
      clock.after(700, () => {
        this.#eventsLeft -= 1;
        group.assignment.assign(name, undefined);
        this.#endStream();
      });
    } else if (action === 'move') group.assignment.assign(name, this.#running().at(-1)?.instance.name);
    this.#endStream();
  }

  #endStream(): void {
    if (this.#eventsLeft === 0) this.#system.stream('in').end();
  }
}

function describeEnd(end: Life['end']): string {
  return typeof end === 'object' ? `${end.code}: ${end.message}` : String(end);
}

function definePipeline(system: MemorySystem, instance: MemoryInstance, history: History): Pipeline {
  const memory = memoryConnector(system, instance);
  const [first, second] = history.sinks.map((sink, index) => memory.sink({ ...sink, destination: `out${index}` }));
  if (first === undefined) throw new Error('a history has a sink');
  return pipeline({
    name: 'model',
    source: memory.source({ ...history.source, stream: 'in' }),
    transforms: transformsOf(history, instance),
    ...(second === undefined ? { sink: first } : { sinks: { a: first, b: second } }),
    deadLetter: { sink: deadLetterSink(memory, history), maxRatio: 1 },
    checkpoints: system.checkpointStore(instance, { exclusive: history.exclusiveStore }),
    budget: history.budget,
    batch: history.batch,
    flush: history.flush,
    retry: { maxDelayMs: 3000, maxAttempts: 100 },
    timeoutMs: 6000,
    clock: instance.clock,
  });
}

function deadLetterSink(memory: MemoryConnector, history: History): ReturnType<MemoryConnector['sink']> {
  return memory.sink({ ...history.deadLetter, destination: 'dead' });
}

function transformsOf({ asyncTransforms }: History, instance: MemoryInstance): ReturnType<typeof map>[] {
  const check = (message: Message): Message => {
    if (keyText(message).endsWith(':throw')) throw new Error('a transform threw');
    return message;
  };
  const spread = (message: Message): readonly Message[] =>
    outputsOf(keyText(message)).map((key) => ({ ...message, key }));
  if (!asyncTransforms) return [map(check), flatMap(spread)];
  return [
    map(async (message) => {
      await instance.clock.yield();
      return check(message);
    }),
    flatMap(async (message) => {
      await instance.clock.yield();
      return spread(message);
    }),
  ];
}

/** One line for people: how each life ended. */
export function describeLives({ lives }: Played): string {
  return lives
    .map(({ instance, end, twin }) => `${instance.name}${twin ? ' (shared)' : ''}: ${describeEnd(end)}`)
    .join('; ');
}
