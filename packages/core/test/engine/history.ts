import fc from 'fast-check';
import type { ErrorCode } from '../../src/error.js';
import type { Fault, MemorySinkInput, MemorySourceInput, OperationName } from '../../src/testing/index.js';

/**
 * What becomes of a source message: it passes, is dropped by a filter, becomes three, makes a transform throw (of all sinks, or of
 * the last one), is refused by the first sink (alone, or one of the three that it became), or made no sense to the driver.
 */
export type MessageKind =
  | 'pass'
  | 'drop'
  | 'expand'
  | 'throw'
  | 'throwLate'
  | 'refuse'
  | 'refuseOne'
  | 'broken'
  | 'control';

/** A fault of the n-th operation of a name, counted over all lives. */
export interface ScriptedFault {
  readonly name: OperationName;
  readonly nth: number;
  readonly fault: Fault;
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
    | 'produce'
    /** The outside system forgets the older half of a partition, or is replaced by another one: where positions may be lost. */
    | 'discard'
    | 'replace';
  readonly source: number;
  readonly partition: number;
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
  /** `stop`: each invalid message is mended after it has stopped the pipeline. Undefined: dead letters. */
  readonly onInvalid: 'drop' | 'stop' | undefined;
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
    arbitrary: fc.constantFrom<MessageKind>('throw', 'throwLate', 'refuse', 'refuseOne', 'broken', 'control'),
  },
);

const position: fc.Arbitrary<Partial<MemorySourceInput>> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom<Partial<MemorySourceInput>>({}, { discardCommitted: true }, { commits: false }),
  },
  { weight: 2, arbitrary: fc.constant<Partial<MemorySourceInput>>({ position: 'source' }) },
  { weight: 1, arbitrary: fc.constant<Partial<MemorySourceInput>>({ position: 'none' }) },
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
  partitions: fc.array(fc.array(kind, { maxLength: 10 }), { minLength: 1, maxLength: 3 }),
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

const retryable = fc.constantFrom<ErrorCode>(
  'not_connected',
  'timeout',
  'rate_limited',
  'conflict',
  'resource_exhausted',
  'unknown',
);
const shortWait = fc.constantFrom(0, 0, 1, 7, 40);

/** Faults of any operation. */
const plainFault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ outcome: retryable, waitMs: shortWait }) },
  {
    weight: 3,
    arbitrary: fc.record({ outcome: retryable, waitMs: shortWait, effect: fc.constantFrom('first', 'last') }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      outcome: fc.constant('crash'),
      waitMs: shortWait,
      effect: fc.constantFrom('first', 'last', 'never'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ waitMs: fc.constantFrom(3, 30, 300, 4000, 8000) }) },
);

/** Faults of operations that can be aborted: they may also hang. */
const hangingFault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 3, arbitrary: plainFault },
  {
    weight: 1,
    arbitrary: fc.record({
      waitMs: fc.constant(Number.POSITIVE_INFINITY),
      effect: fc.constantFrom('first', 'last'),
      ignoresAbortForMs: fc.constantFrom(0, 0, 500, 900),
    }),
  },
);

/** Faults of reads, which nobody ends by a time limit because waiting is what they do. */
const readFault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 4, arbitrary: plainFault },
  { weight: 1, arbitrary: fc.record({ waitMs: fc.constant(5000), ignoresAbortForMs: fc.constantFrom(500, 900) }) },
  { weight: 1, arbitrary: fc.constant<Fault>({ outcome: 'lease_lost' }) },
);

/** Never settles, even when it is aborted. */
const endless: Fault = { waitMs: Number.POSITIVE_INFINITY, ignoresAbortForMs: Number.POSITIVE_INFINITY };
const endlessAfterEffect: Fault = { ...endless, effect: 'first' };

const writeFault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 3, arbitrary: hangingFault },
  {
    weight: 1,
    arbitrary: fc.record({
      waitMs: shortWait,
      failures: fc.array(fc.record({ index: fc.nat({ max: 6 }), code: retryable }), { minLength: 1, maxLength: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant(endless) },
);

function faultOf(names: readonly OperationName[], fault: fc.Arbitrary<Fault>): fc.Arbitrary<ScriptedFault> {
  return fc.record({ name: fc.constantFrom(...names), nth: fc.nat({ max: 9 }), fault });
}

const scripted: fc.Arbitrary<ScriptedFault> = fc.oneof(
  { weight: 6, arbitrary: faultOf(['sink.write'], writeFault) },
  { weight: 5, arbitrary: faultOf(['sink.flush'], hangingFault) },
  { weight: 3, arbitrary: faultOf(['source.read', 'source.partitions'], readFault) },
  { weight: 2, arbitrary: faultOf(['sink.open', 'source.open'], hangingFault) },
  { weight: 5, arbitrary: faultOf(['sink.claim', 'source.commit', 'store.save', 'store.claim'], plainFault) },
  { weight: 1, arbitrary: faultOf(['sink.claim', 'source.commit'], fc.constantFrom(endless, endlessAfterEffect)) },
  // A save is waited for, however long it takes: no other one may be begun beside it.
  { weight: 1, arbitrary: faultOf(['store.save'], fc.constant<Fault>({ waitMs: 9000 })) },
  { weight: 1, arbitrary: faultOf(['sink.close', 'source.close', 'store.release'], plainFault) },
);

const event: fc.Arbitrary<HistoryEvent> = fc.record({
  atMs: fc.oneof(fc.nat({ max: 60 }), fc.nat({ max: 3000 })),
  action: fc.constantFrom<HistoryEvent['action']>(
    'crash',
    'stop',
    'twin',
    'twin',
    'lose',
    'loseForAWhile',
    'move',
    'produce',
    'discard',
    'replace',
  ),
  source: fc.nat({ max: 1 }),
  partition: fc.nat({ max: 2 }),
});

/** Random histories. */
export const histories: fc.Arbitrary<History> = fc.record({
  seed: fc.nat(),
  sources: fc.oneof({ weight: 4, arbitrary: fc.tuple(source) }, { weight: 1, arbitrary: fc.tuple(source, source) }),
  bounded: fc.constantFrom(true, true, true, false),
  sinks: fc.oneof({ weight: 4, arbitrary: fc.tuple(sink) }, { weight: 1, arbitrary: fc.tuple(sink, sink) }),
  deadLetter: fc.constantFrom<History['deadLetter']>(
    { payload: 'value' },
    { payload: 'value', flush: true },
    { payload: 'value', atomic: true },
  ),
  order: rarely('none' as const),
  onInvalid: rarely('drop' as const, 'stop' as const),
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
