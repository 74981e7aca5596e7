import { ConnectorError } from '../error.js';
import { BatchError, type BatchFailure, type Checkpoint, type SinkBatch, type SinkDriver } from '../sink-driver.js';
import type { Fault } from './faults.js';
import type { MemorySinkConfig } from './memory-config.js';
import type { MemoryDestination, StoredMessage } from './memory-destination.js';
import { type MemoryInstance, never } from './memory-instance.js';
import { checkBatch, checkPositions, failuresOf } from './sink-batch.js';
import { checkFences, createSinkClaims, type SinkClaims } from './sink-claims.js';
import type { Violations } from './violations.js';

/** What an open sink works on. */
export interface SinkSetup {
  readonly destination: MemoryDestination;
  readonly pipeline: string;
  readonly config: MemorySinkConfig;
  readonly instance: MemoryInstance;
  readonly violations: Violations;
  /** Id of the sink in its pipeline. */
  readonly id: string;
  readonly unkeptSources: ReadonlySet<string>;
}

/** A write that has not settled. */
interface Writing {
  readonly partitions: readonly string[];
  /** Resolves when it settles: whether all messages were taken over. */
  readonly settled: Promise<boolean>;
}

interface SinkState extends SinkSetup {
  readonly claims: SinkClaims;
  readonly writings: Set<Writing>;
  /** Taken over and not flushed. */
  staged: readonly StoredMessage[];
  flushing: boolean;
  closed: boolean;
}

/** Opens a destination for writing. Calls that break the contract of {@link SinkDriver} throw `internal` and are recorded. */
export function openMemorySink(setup: SinkSetup): SinkDriver {
  const { config, instance } = setup;
  const state: SinkState = {
    ...setup,
    claims: createSinkClaims(setup),
    writings: new Set(),
    staged: [],
    flushing: false,
    closed: false,
  };
  instance.onCrash(() => abandonStaged(state));
  const whileAlive = async <T>(call: () => Promise<T>): Promise<T> => await (instance.alive ? call() : never());
  return {
    write: (batch, signal) => whileAlive(() => write(state, batch, signal)),
    ...(hasFlush(config) ? { flush: (checkpoint, signal) => whileAlive(() => flush(state, checkpoint, signal)) } : {}),
    ...(config.atomic ? { claim: (partitions) => whileAlive(() => claim(state, partitions)) } : {}),
    close: () => whileAlive(() => close(state)),
  };
}

async function write(state: SinkState, batch: SinkBatch, signal: AbortSignal): Promise<void> {
  const { destination, instance, violations, writings } = state;
  assertOpen(state, 'write');
  if (state.flushing) throw violations.report(`write to ${destination.name} while a flush is under way`);
  checkBatch(state, batch);
  const partitions = [...new Set(batch.slices.map(({ partition }) => partition))];
  const fences = state.claims.require(partitions, 'write');
  const earlier = [...writings].filter((writing) =>
    writing.partitions.some((partition) => partitions.includes(partition)),
  );
  checkOverlap(state, earlier.length);
  const failures = instance.perform({
    name: 'sink.write',
    target: destination.name,
    messages: batch.messages,
    signal,
    turn: () => afterEarlier(earlier, signal),
    effect: (fault) => takeOver(state, batch, { fault, fences }),
  });
  const settled = failures.then(
    (found) => found.length === 0,
    () => false,
  );
  const writing: Writing = { partitions, settled };
  writings.add(writing);
  try {
    const found = await failures;
    if (found.length > 0) throw new BatchError(found);
  } finally {
    writings.delete(writing);
  }
}

/** Stores or stages what does not fail, and returns what does. */
function takeOver(
  state: SinkState,
  batch: SinkBatch,
  { fault, fences }: { fault: Fault; fences: ReadonlyMap<string, number> },
): readonly BatchFailure[] {
  const { destination, instance, config } = state;
  assertStillOpen(state);
  checkFences(
    state,
    batch.slices.map(({ partition }) => partition),
    fences,
  );
  const failures = failuresOf(batch, fault, state);
  if (config.atomic && failures.length > 0) return failures;
  const failed = new Set(failures.map(({ index }) => index));
  const origin = { at: instance.clock.now(), instance: instance.name };
  const taken = batch.slices.flatMap(({ partition, from, to }) =>
    batch.messages
      .slice(from, to)
      .filter((_, index) => !failed.has(from + index))
      .map((message): StoredMessage => ({ message, partition, ...origin })),
  );
  if (hasFlush(config)) state.staged = [...state.staged, ...taken];
  else destination.store(taken);
  return failures;
}

async function flush(state: SinkState, checkpoint: Checkpoint, signal: AbortSignal): Promise<void> {
  const { destination, pipeline, config, instance, violations } = state;
  const target = destination.name;
  assertOpen(state, 'flush');
  if (state.flushing) throw violations.report(`flush of ${target} while another flush is under way`);
  if (state.writings.size > 0) throw violations.report(`flush of ${target} while a write is under way`);
  const fences = state.claims.require(Object.keys(checkpoint), 'flush');
  checkPositions(state, checkpoint);
  state.flushing = true;
  function makeDurable(): void {
    assertStillOpen(state);
    checkFences(state, Object.keys(checkpoint), fences);
    const flushed = state.staged;
    state.staged = [];
    if (config.atomic) destination.storeWithCheckpoint(pipeline, flushed, checkpoint);
    else destination.store(flushed);
  }
  try {
    await instance.perform({ name: 'sink.flush', target, signal, effect: makeDurable });
  } catch (error) {
    abandonStaged(state);
    state.claims.forget();
    throw error;
  } finally {
    state.flushing = false;
  }
}

async function claim(state: SinkState, partitions: readonly string[]): Promise<Checkpoint> {
  const { destination, pipeline, instance, violations } = state;
  assertOpen(state, 'claim');
  if (state.writings.size > 0 || state.flushing)
    throw violations.report(`claim in ${destination.name} while a write or flush is under way`);
  return await instance.perform({
    name: 'sink.claim',
    target: destination.name,
    effect() {
      assertStillOpen(state);
      state.claims.raise(partitions);
      state.staged = [];
      const stored = Object.entries(destination.checkpoint(pipeline));
      return Object.fromEntries(stored.filter(([partition]) => partitions.includes(partition)));
    },
  });
}

async function close(state: SinkState): Promise<void> {
  if (!state.closed) abandonStaged(state);
  state.closed = true;
  await state.instance.perform({ name: 'sink.close', target: state.destination.name, effect: () => {} });
}

function hasFlush(config: MemorySinkConfig): boolean {
  return config.flush ?? config.atomic;
}

/** What was taken over and not flushed is lost or stored, as configured; atomic destinations lose it. */
function abandonStaged(state: SinkState): void {
  if (state.config.unflushed === 'stored' && !state.config.atomic) state.destination.store(state.staged);
  state.staged = [];
}

function assertOpen({ closed, destination, violations }: SinkState, what: string): void {
  if (closed) throw violations.report(`${what} of ${destination.name} after close`);
}

/** The driver was closed while the operation was under way: nothing of it may reach the destination any more. */
function assertStillOpen({ closed, destination }: SinkState): void {
  if (closed) throw new ConnectorError('closed', `${destination.name} was closed meanwhile`);
}

function checkOverlap({ config, destination, violations, writings }: SinkState, earlierOfSamePartition: number): void {
  const { overlap, preferred } = config;
  const clash =
    (overlap === 'none' && writings.size > 0) ||
    (overlap === 'partitions' && earlierOfSamePartition > 0) ||
    writings.size >= preferred.maxInFlight;
  if (clash)
    throw violations.report(
      `write to ${destination.name} while others are under way, which overlap ${overlap} forbids`,
    );
}

/** Keeps the promise of `ordered`: a write takes effect after the earlier ones of its partitions, and not when one failed. */
async function afterEarlier(earlier: readonly Writing[], signal: AbortSignal): Promise<void> {
  if (earlier.length === 0) return;
  const aborted = Promise.withResolvers<boolean>();
  const onAbort = (): void => aborted.reject(new ConnectorError('aborted', 'sink.write was aborted'));
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    const results = Promise.all(earlier.map(({ settled }) => settled)).then((each) => each.every(Boolean));
    if (!(await Promise.race([results, aborted.promise])))
      throw new ConnectorError('conflict', 'an earlier write of the same partition failed');
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
