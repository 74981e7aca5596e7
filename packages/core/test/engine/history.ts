import fc from 'fast-check';
import type { MemorySinkInput, MemorySourceInput } from '../../src/testing/index.js';
import { failedFlush, type NamedFault, namedFault } from './random-faults.js';

/**
 * What becomes of a source message: it passes, is dropped by a filter, becomes three, makes a transform throw (of all sinks, of
 * the first or of the last one), is refused by the first sink (alone, or one of the three that it became), or made no sense to the
 * driver.
 */
export type MessageKind =
  | 'pass'
  | 'drop'
  | 'expand'
  | 'throw'
  | 'throwFirst'
  | 'throwLate'
  | 'refuse'
  | 'refuseOne'
  | 'broken'
  | 'control';

/** A fault of the n-th operation of a name, counted over all lives. */
export interface ScriptedFault extends NamedFault {
  readonly nth: number;
}

/** Something that happens at a moment, in milliseconds since the beginning. */
export interface HistoryEvent {
  readonly atMs: number;
  readonly action:
    | 'crash'
    | 'stop'
    | 'twin'
    | 'lose'
    | 'loseForAWhile'
    | 'move'
    /** For a while nobody is to have a partition: its reader gives it up in peace. */
    | 'release'
    | 'produce'
    /** The outside system forgets the older half of a partition, or is replaced by another one: where positions may be lost. */
    | 'discard'
    | 'replace';
  readonly source: number;
  readonly partition: number;
  /** Of the next operation of its name. */
  readonly fault: NamedFault | undefined;
}

/** A source and what there is to read. */
export interface SourceHistory {
  readonly config: Omit<MemorySourceInput, 'stream' | 'bounded'>;
  /** The messages of each partition. */
  readonly partitions: readonly (readonly MessageKind[])[];
}

/** Everything that decides how a run goes, as plain data. */
export interface History {
  /** Seed of back-off and latencies. */
  readonly seed: number;
  readonly sources: readonly SourceHistory[];
  /** False: nothing ends by itself, and every life is stopped after a while. */
  readonly bounded: boolean;
  readonly sinks: readonly Omit<MemorySinkInput, 'destination'>[];
  readonly deadLetter: Omit<MemorySinkInput, 'destination'>;
  readonly order: 'none' | undefined;
  /**
   * `stop`: each invalid message is mended after it has stopped the pipeline. `stopUnlessFirst`: the same, but the first sink has
   * dead letters of its own. Undefined: dead letters.
   */
  readonly onInvalid: 'drop' | 'stop' | 'stopUnlessFirst' | undefined;
  /** Positions are lost only where this says what to do then. */
  readonly onPositionLost: 'earliest' | 'latest' | undefined;
  readonly messagesPerSecond: number | undefined;
  readonly asyncTransforms: boolean;
  /** Upper bound of what an operation takes, by chance. */
  readonly latencyMs: number;
  readonly budget: { readonly maxMessages: number; readonly maxBytes: number };
  readonly batch: { readonly maxAgeMs: number };
  readonly flush: { readonly intervalMs: number; readonly maxMessages: number };
  readonly exclusiveStore: boolean;
  readonly faults: readonly ScriptedFault[];
  readonly events: readonly HistoryEvent[];
}

const kind: fc.Arbitrary<MessageKind> = fc.oneof(
  { weight: 12, arbitrary: fc.constant<MessageKind>('pass') },
  { weight: 8, arbitrary: fc.constantFrom<MessageKind>('drop', 'expand') },
  {
    weight: 4,
    arbitrary: fc.constantFrom<MessageKind>(
      'throw',
      'throwFirst',
      'throwLate',
      'refuse',
      'refuseOne',
      'broken',
      'control',
    ),
  },
);

/** Where several messages of a batch are of those that not every sink takes. */
const troubled = fc.constantFrom<MessageKind>('pass', 'throwFirst', 'throwLate', 'refuse', 'broken');

const position: fc.Arbitrary<Partial<MemorySourceInput>> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom<Partial<MemorySourceInput>>({}, { discardCommitted: true }, { commits: false }),
  },
  { weight: 2, arbitrary: fc.constant<Partial<MemorySourceInput>>({ position: 'source' }) },
  { weight: 2, arbitrary: fc.constant<Partial<MemorySourceInput>>({ position: 'none' }) },
  {
    weight: 2,
    arbitrary: fc
      .integer({ min: 1, max: 8 })
      .map((window): Partial<MemorySourceInput> => ({ position: 'source', replayable: false, window })),
  },
);

const config: fc.Arbitrary<SourceHistory['config']> = fc
  .tuple(
    position,
    fc.record({
      partitions: fc.constantFrom<MemorySourceInput['partitions']>('assigned', 'assigned', 'fixed', 'single'),
      batchMessages: fc.integer({ min: 1, max: 6 }),
      positionAt: fc.boolean(),
    }),
  )
  .map(([owner, shape]) => ({ ...owner, ...shape }));

const source: fc.Arbitrary<SourceHistory> = fc.record({
  config,
  partitions: fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.array(kind, { maxLength: 10 }) },
      { weight: 1, arbitrary: fc.array(troubled, { maxLength: 10 }) },
    ),
    { minLength: 1, maxLength: 3 },
  ),
});

/** Mostly left out. */
function rarely<T>(...values: readonly T[]): fc.Arbitrary<T | undefined> {
  return fc.oneof(
    { weight: 4, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom(...values) },
  );
}

const sink: fc.Arbitrary<History['sinks'][number]> = fc
  .record({
    store: fc.constantFrom<Partial<MemorySinkInput>>(
      {},
      { idempotent: 'key' },
      { flush: true },
      { flush: true, unflushed: 'stored' },
      { atomic: true },
      { atomic: true },
    ),
    overlap: fc.constantFrom<MemorySinkInput['overlap']>('none', 'partitions', 'ordered', 'ordered'),
    preferred: fc.record({ maxMessages: fc.integer({ min: 1, max: 10 }), maxInFlight: fc.integer({ min: 1, max: 4 }) }),
    limits: fc.option(fc.record({ maxMessages: fc.integer({ min: 1, max: 6 }) }), { nil: undefined, freq: 3 }),
  })
  .map(({ store, ...shape }) => ({ ...store, ...shape }));

const scripted: fc.Arbitrary<ScriptedFault> = fc
  .tuple(namedFault, fc.nat({ max: 9 }))
  .map(([each, nth]) => ({ ...each, nth }));

const place = { source: fc.nat({ max: 1 }), partition: fc.nat({ max: 2 }) };

const anyEvent: fc.Arbitrary<HistoryEvent> = fc.record({
  ...place,
  atMs: fc.oneof(fc.nat({ max: 60 }), fc.nat({ max: 3000 })),
  action: fc.constantFrom<HistoryEvent['action']>(
    'crash',
    'stop',
    'twin',
    'twin',
    'lose',
    'loseForAWhile',
    'move',
    'release',
    'produce',
    'discard',
    'replace',
  ),
  fault: fc.option(namedFault, { nil: undefined, freq: 2 }),
});

/** A partition is given up while a sink fails that may still have something of it to flush. */
const failingRelease: fc.Arbitrary<HistoryEvent> = fc.record({
  ...place,
  atMs: fc.nat({ max: 60 }),
  action: fc.constant<HistoryEvent['action']>('release'),
  fault: failedFlush,
});

const event: fc.Arbitrary<HistoryEvent> = fc.oneof(
  { weight: 6, arbitrary: anyEvent },
  { weight: 1, arbitrary: failingRelease },
);

/** One sink or two, and what becomes of what they do not take. */
const sinks: fc.Arbitrary<Pick<History, 'sinks' | 'onInvalid'>> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record({
      sinks: fc.oneof({ weight: 4, arbitrary: fc.tuple(sink) }, { weight: 1, arbitrary: fc.tuple(sink, sink) }),
      onInvalid: rarely('drop' as const, 'stop' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      sinks: fc.oneof({ weight: 1, arbitrary: fc.tuple(sink) }, { weight: 4, arbitrary: fc.tuple(sink, sink) }),
      onInvalid: fc.constant('stopUnlessFirst' as const),
    }),
  },
);

const surroundings: fc.Arbitrary<Omit<History, 'sinks' | 'onInvalid'>> = fc.record({
  seed: fc.nat(),
  sources: fc.oneof({ weight: 4, arbitrary: fc.tuple(source) }, { weight: 1, arbitrary: fc.tuple(source, source) }),
  bounded: fc.constantFrom(true, true, true, false),
  deadLetter: fc.constantFrom<History['deadLetter']>(
    { payload: 'value' },
    { payload: 'value', flush: true },
    { payload: 'value', atomic: true },
  ),
  order: rarely('none' as const),
  onPositionLost: rarely('earliest' as const, 'latest' as const),
  messagesPerSecond: rarely(20, 200),
  asyncTransforms: fc.boolean(),
  latencyMs: fc.constantFrom(0, 2, 20, 200, 1500),
  budget: fc.record({ maxMessages: fc.constantFrom(1, 3, 10, 50_000), maxBytes: fc.constantFrom(10, 100, 1_000_000) }),
  batch: fc.record({ maxAgeMs: fc.constantFrom(0, 0, 50) }),
  flush: fc.record({ intervalMs: fc.constantFrom(20, 300, 1000), maxMessages: fc.constantFrom(1, 5, 1000) }),
  exclusiveStore: fc.boolean(),
  faults: fc.array(scripted, { maxLength: 6 }),
  events: fc.array(event, { maxLength: 3 }),
});

/** Random histories. */
export const histories: fc.Arbitrary<History> = fc
  .tuple(surroundings, sinks)
  .map(([others, chosen]) => ({ ...others, ...chosen }));
