import type { Sink, Source } from '@sluice/core';
import { type DriverContext, defineConnector, type SinkDriver } from '@sluice/core/driver';
import type { Behaviour } from './behaviour.js';
import { until, within } from './deadline.js';
import type { Faults, Harness, Place, SinkPlace, SourcePlace, WrongConfig } from './harness.js';
import { driveSource, type OpenedSource } from './opened-source.js';
import { isUnable, optionsOf, type SinkSubject, type SourceSubject, type Subject } from './subject.js';

/** How a driver is opened. */
export interface OpenSettings {
  /** Name of the pipeline; default: a name of this trial's own, the same each time. */
  readonly pipeline?: string;
  /** Id of the source or sink. Default `source` and `sink`. */
  readonly id?: string;
  /** Ends opening. */
  readonly signal?: AbortSignal;
}

/** What the drivers of a trial told. */
export interface Told {
  readonly notices: string[];
  readonly metrics: Map<string, number>;
}

/** What a behaviour works with. Everything that is made or opened through it is let go of when the behaviour is over. */
export interface Trial {
  readonly harness: Harness;
  /** The reading half; throws where there is none, which `inapplicable` has ruled out. */
  readonly source: SourceSubject;
  /** The writing half; throws where there is none. */
  readonly sink: SinkSubject;
  /** Throws where there are none. */
  readonly faults: Faults;
  /** No other trial's name: for pipelines, and so for groups and checkpoints. */
  readonly name: string;
  /** How long anything may take that is not said to take longer, in milliseconds. */
  readonly patienceMs: number;
  readonly told: Told;
  /** An empty place to read from. @param partitions how many it has from the start, where the system knows any. Default 1 */
  sourcePlace(partitions?: number): Promise<SourcePlace>;
  /** An empty place to write to. */
  sinkPlace(): Promise<SinkPlace>;
  /** Removes a place before the trial is over. */
  remove(place: Place): Promise<void>;
  /** A place or a wrong config as what a pipeline takes. Throws `config_invalid` where the config is. */
  sourceOf(place: WrongConfig): Source;
  sinkOf(place: WrongConfig): Sink;
  /** Opens a driver once, without retry, as the engine does, and takes up its sets of partitions. */
  openSource(place: WrongConfig, settings?: OpenSettings): Promise<OpenedSource>;
  /** Opens a driver once, without retry, as the engine does. Claims nothing. */
  openSink(place: WrongConfig, settings?: OpenSettings): Promise<SinkDriver>;
  /** The promise's value, if it settles within the trial's patience. */
  within<T>(promise: Promise<T>, what: string, ms?: number): Promise<T>;
  /** Resolves when the condition holds, with what it returned. */
  until<T>(condition: () => T | Promise<T>, what: string, ms?: number): Promise<NonNullable<T>>;
  /** To be done when the behaviour is over, whether or not it failed; the last one first. */
  finally(undo: () => unknown): void;
  /** What a reader of the test's result wants to know beside that it passed: `200 kills fell ...`. */
  report(text: string): void;
}

/** Far above what a system takes to answer that is well, and below the time limit of a test. */
export const defaultPatienceMs = 10_000;

/** How trials are run. */
export interface TrialSettings {
  /** Default 10,000. Tests of the suite itself lower it, because broken connectors make it wait to the end. */
  readonly patienceMs?: number;
  /** Where reports go. Default: nowhere. */
  readonly report?: (text: string) => void;
}

/**
 * Runs one behaviour, and lets go of everything afterwards.
 *
 * @throws {Error} what the connector did wrong, also when it was seen only while it was let go of
 */
export async function runBehaviour(
  behaviour: Behaviour,
  subject: Subject,
  { patienceMs = defaultPatienceMs, report = () => undefined }: TrialSettings = {},
): Promise<void> {
  const belongings: Belongings = { undos: [], over: false };
  const failures: unknown[] = [];
  try {
    await behaviour.run(createTrial(subject, { patienceMs, belongings, report }));
  } catch (error) {
    failures.push(error);
  }
  belongings.over = true;
  const { faults } = subject.harness;
  const restore = isUnable(faults) ? [] : [faults.restore]; // first of all, so that nothing hangs behind it
  for (const undo of [...restore, ...belongings.undos.toReversed()]) {
    const limitMs = undo === restore[0] ? restoreMs : Math.max(patienceMs, 1000);
    try {
      await within(limitMs, Promise.resolve(undo()), 'letting go of what the behaviour made');
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** A server may have to be started again. */
const restoreMs = 120_000;
let trials = 0;

/** What a trial has made and opened. */
interface Belongings {
  readonly undos: (() => unknown)[];
  over: boolean;
}

interface TrialSetup {
  readonly patienceMs: number;
  readonly belongings: Belongings;
  readonly report: (text: string) => void;
}

function createTrial(subject: Subject, { patienceMs, belongings, report }: TrialSetup): Trial {
  const { harness } = subject;
  const connector = defineConnector(harness.connector);
  const name = `conformance-${process.pid}-${++trials}`;
  const told: Told = { notices: [], metrics: new Map() };
  const later = <T>(undo: () => T): void => {
    // What opens when the behaviour has given up on it is let go of at once; how that ends is nobody's concern.
    if (belongings.over) Promise.resolve(undo()).catch(() => undefined);
    else belongings.undos.push(undo);
  };

  const contextOf = contextMaker(name, told);
  const removed = new Set<Place>();
  const remove = async (place: Place): Promise<void> => {
    if (removed.has(place)) return;
    removed.add(place);
    await place.remove();
  };
  const sourceOf = (place: WrongConfig): Source => connector.source(place.config, optionsOf(place));
  const sinkOf = (place: WrongConfig): Sink => connector.sink(place.config, optionsOf(place));

  return {
    harness,
    get source() {
      return present(subject.source, 'source');
    },
    get sink() {
      return present(subject.sink, 'sink');
    },
    get faults() {
      if (isUnable(harness.faults)) throw new Error(`the harness has no faults: ${harness.faults.because}`);
      return harness.faults;
    },
    name,
    patienceMs,
    told,
    async sourcePlace(partitions = 1) {
      const place = await present(subject.source, 'source').harness.createPlace(partitions);
      later(() => remove(place));
      return place;
    },
    async sinkPlace() {
      const place = await present(subject.sink, 'sink').harness.createPlace();
      later(() => remove(place));
      return place;
    },
    remove,
    sourceOf,
    sinkOf,
    async openSource(place, settings = {}) {
      const { config, options } = sourceOf(place);
      const half = present(harness.connector.source, 'source');
      const driver = await half.open(config, options, contextOf('source', settings));
      const opened = driveSource(driver, patienceMs);
      later(opened.close);
      return opened;
    },
    async openSink(place, settings = {}) {
      const { config, options } = sinkOf(place);
      const half = present(harness.connector.sink, 'sink');
      const driver = await half.open(config, options, contextOf('sink', settings));
      later(() => driver.close());
      return driver;
    },
    within: (promise, what, ms = patienceMs) => within(ms, promise, what),
    until: (condition, what, ms = patienceMs) => until(ms, condition, what),
    finally: later,
    report,
  };
}

function contextMaker(name: string, told: Told): (direction: string, settings: OpenSettings) => DriverContext {
  return (direction, settings) => ({
    pipeline: settings.pipeline ?? name,
    id: settings.id ?? direction,
    signal: settings.signal ?? new AbortController().signal,
    metrics: {
      add: (metric, amount) => told.metrics.set(metric, (told.metrics.get(metric) ?? 0) + amount),
      set: (metric, value) => told.metrics.set(metric, value),
    },
    notice: (text) => told.notices.push(text),
  });
}

function present<T>(half: T | undefined, direction: string): T {
  if (half === undefined) throw new Error(`the connector has no ${direction}`);
  return half;
}
