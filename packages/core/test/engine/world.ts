import { expect } from 'vitest';
import { type Pipeline, pipeline } from '../../src/pipeline.js';
import type { PipelineDefinition, PipelineEvent, PipelineStats } from '../../src/pipeline-definition.js';
import type { Sink } from '../../src/sink.js';
import type { Source } from '../../src/source.js';
import {
  keyText,
  type MemoryConnector,
  type MemoryInstance,
  type MemorySinkInput,
  type MemorySourceInput,
  type MemorySystem,
  memoryConnector,
  memorySystem,
  type Operation,
  type ProducedMessage,
} from '../../src/testing/index.js';

/** One request to the outside world that has begun. */
export interface Call {
  readonly name: Operation['name'];
  readonly target: string;
  readonly partition: string | undefined;
  /** Keys of what is written. */
  readonly keys: readonly string[];
  readonly startedAt: number;
  /** When it settled; undefined while it has not. */
  endedAt: number | undefined;
  error: unknown;
}

/** A definition whose source and sink are the memory system's, as far as it does not name others. */
export type WorldDefinition = Partial<Omit<PipelineDefinition, 'source' | 'sink'>> & {
  readonly source?: Partial<MemorySourceInput> | Source;
  readonly sink?: Partial<MemorySinkInput> | Sink;
};

/** A memory system with one instance, and everything that pipelines do in it. */
export interface World {
  readonly system: MemorySystem;
  readonly instance: MemoryInstance;
  readonly memory: MemoryConnector;
  /** Everything that was asked of the outside world, in the order of beginning. */
  readonly calls: readonly Call[];
  /** What pipelines of this world told. */
  readonly events: PipelineEvent[];
  /** Appends messages with these keys, and the same text as payload, to a partition of stream `in`. */
  produce(partition: string, ...keys: readonly string[]): void;
  produceMessages(partition: string, ...messages: readonly ProducedMessage[]): void;
  /** A pipeline `copy` from stream `in` (bounded) to destination `out`, as far as the definition says nothing else. */
  define(definition?: WorldDefinition, instance?: MemoryInstance): Pipeline;
  /** Defines and runs it while time passes, and returns its summary. */
  run(definition?: WorldDefinition): Promise<PipelineStats>;
  /** Starts it; time has to be moved by the test. */
  start(definition?: WorldDefinition, instance?: MemoryInstance): Running;
  /** Keys of what a destination has, in order, repeats included. */
  stored(destination?: string): string[];
  /** Keys of each write to a destination, in the order of beginning. */
  writes(destination?: string): string[][];
  /** The calls of one name. */
  callsOf(name: Operation['name'], target?: string): Call[];
}

/** A pipeline that was started. */
export interface Running {
  readonly pipeline: Pipeline;
  /** Settles as `run` does; its rejection counts as handled. */
  readonly done: Promise<PipelineStats>;
  /** Aborts and, while time passes, waits for the end. */
  stop(): Promise<PipelineStats>;
  abort(): void;
}

/** Makes a world in which nothing has happened. */
export function world(): World {
  const system = memorySystem();
  const instance = system.instance('a');
  const events: PipelineEvent[] = [];
  const calls = watchCalls(system);

  function define(definition: WorldDefinition = {}, by = instance): Pipeline {
    const memory = memoryConnector(system, by);
    const { source, sink, ...rest } = definition;
    return pipeline({
      name: 'copy',
      checkpoints: system.checkpointStore(by),
      clock: by.clock,
      onEvent: (event) => events.push(event),
      ...(rest.sources === undefined
        ? { source: isPart(source) ? source : memory.source({ stream: 'in', bounded: true, ...source }) }
        : {}),
      ...(rest.sinks === undefined ? { sink: isPart(sink) ? sink : memory.sink({ destination: 'out', ...sink }) } : {}),
      ...rest,
    });
  }

  function start(definition?: WorldDefinition, by?: MemoryInstance): Running {
    const controller = new AbortController();
    const made = define(definition, by);
    const done = made.run({ signal: controller.signal });
    done.catch(() => undefined); // the test looks at it later
    const abort = (): void => controller.abort();
    return {
      pipeline: made,
      done,
      abort,
      stop() {
        abort();
        return system.clock.settle(done);
      },
    };
  }

  function produceMessages(partition: string, ...messages: readonly ProducedMessage[]): void {
    system.stream('in').produce(partition, messages);
  }

  const callsOf = (name: Operation['name'], target?: string): Call[] =>
    calls.filter((call) => call.name === name && (target ?? call.target) === call.target);

  return {
    system,
    instance,
    memory: memoryConnector(system, instance),
    calls,
    events,
    produceMessages,
    produce: (partition, ...keys) =>
      produceMessages(partition, ...keys.map((key) => ({ key, payload: Buffer.from(key) }))),
    define,
    run: (definition) => system.clock.settle(define(definition).run()),
    start,
    stored: (destination = 'out') => system.destination(destination).stored.map(({ message }) => keyText(message)),
    writes: (destination = 'out') => callsOf('sink.write', destination).map(({ keys }) => [...keys]),
    callsOf,
  };
}

/** The kinds of sinks that settle in different ways, with the config of each. */
export const sinkKinds = [
  ['a sink without flush', {}],
  ['a sink with flush', { flush: true }],
  ['an atomic sink', { atomic: true }],
] as const satisfies readonly (readonly [string, Partial<MemorySinkInput>])[];

/** Numbered keys: `keys('a', 3)` is a1, a2, a3. */
export function keys(prefix: string, count: number, from = 1): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index + from}`);
}

/** Expects that engine and drivers kept their contract. */
export function expectNoViolations({ system }: World): void {
  expect(system.violations.found).toEqual([]);
}

function isPart<Part extends Source | Sink>(value: Part | object | undefined): value is Part {
  return value !== undefined && 'connector' in value;
}

function watchCalls(system: MemorySystem): Call[] {
  const calls: Call[] = [];
  const open = new Map<Operation, Call>();
  system.events.listen((event) => {
    if (event.type !== 'operation') return;
    const { operation, at, phase } = event;
    if (phase === 'start') {
      const { name, target, partition, messages } = operation;
      const written = messages.map(keyText);
      const call: Call = {
        name,
        target,
        partition,
        keys: written,
        startedAt: at,
        endedAt: undefined,
        error: undefined,
      };
      calls.push(call);
      open.set(operation, call);
    } else if (phase === 'end') {
      const call = open.get(operation);
      if (call !== undefined) Object.assign(call, { endedAt: at, error: event.error });
    }
  });
  return calls;
}
