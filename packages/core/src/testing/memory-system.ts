import type { CheckpointStore } from '../checkpoint/store.js';
import type { Checkpoint } from '../sink-driver.js';
import { createFaults, type Faults } from './faults.js';
import { openMemoryCheckpoints, type SavedCheckpoint } from './memory-checkpoints.js';
import { createDestination, type MemoryDestination } from './memory-destination.js';
import { createInstance, type MemoryInstance } from './memory-instance.js';
import { createStream, type MemoryStream } from './memory-stream.js';
import { createSystemEvents, type SystemEvents } from './system-event.js';
import { createViolations, type Violations } from './violations.js';
import { type VirtualClock, virtualClock } from './virtual-clock.js';

/** How a system behaves. */
export interface MemorySystemSettings {
  /** How long a group waits for a member that has died before others get its partitions. Default 10,000. */
  readonly sessionTimeoutMs?: number;
  /** How long a member may take to let a partition go before it loses it. Default 60,000. */
  readonly revokeTimeoutMs?: number;
}

/**
 * The outside world of pipelines under test: streams to read, destinations to write, checkpoints, time and faults. It is a
 * plain object, so it survives the crash of every instance that talks to it.
 */
export interface MemorySystem {
  readonly clock: VirtualClock;
  readonly faults: Faults;
  readonly events: SystemEvents;
  /** Breaches of the contract, and of invariants that are watched. A test asserts that `found` is empty. */
  readonly violations: Violations;
  readonly sessionTimeoutMs: number;
  /** Pipeline and id of each source that was opened and whose position nobody keeps. */
  readonly unkeptSources: Set<string>;
  /** A stream; it appears when it is first asked for. */
  stream(name: string): MemoryStream;
  /** A destination; it appears when it is first asked for. */
  destination(name: string): MemoryDestination;
  /** Starts an instance. Give each life of a process a name of its own. */
  instance(name: string): MemoryInstance;
  /** The checkpoint store. `exclusive`: refuse a second holder instead of fencing the first (default false). */
  checkpointStore(instance: MemoryInstance, settings?: { readonly exclusive?: boolean }): CheckpointStore;
  /** What the checkpoint store has of a pipeline. */
  savedCheckpoint(pipeline: string): Checkpoint;
}

/** Makes an empty world in which nothing goes wrong. */
export function memorySystem({
  sessionTimeoutMs = 10_000,
  revokeTimeoutMs = 60_000,
}: MemorySystemSettings = {}): MemorySystem {
  const clock = virtualClock();
  const faults = createFaults();
  const events = createSystemEvents();
  const streams = new Map<string, MemoryStream>();
  const destinations = new Map<string, MemoryDestination>();
  const saved = new Map<string, SavedCheckpoint>();
  return {
    clock,
    faults,
    events,
    violations: createViolations(),
    sessionTimeoutMs,
    unkeptSources: new Set(),
    stream: (name) => getOrMake(streams, name, () => createStream({ name, clock, revokeTimeoutMs })),
    destination: (name) => getOrMake(destinations, name, () => createDestination(name, clock, events)),
    instance: (name) => createInstance(name, { clock, faults, events }),
    checkpointStore: (instance, { exclusive = false } = {}) =>
      openMemoryCheckpoints({ saved, instance, events, exclusive }),
    savedCheckpoint: (pipeline) => saved.get(pipeline)?.checkpoint ?? {},
  };
}

function getOrMake<T>(map: Map<string, T>, name: string, make: () => T): T {
  const known = map.get(name);
  if (known !== undefined) return known;
  const made = make();
  map.set(name, made);
  return made;
}
