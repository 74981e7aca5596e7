import { type Fault, keyText, type MemorySystem, type Operation } from '../../src/testing/index.js';
import { writeTimeoutMs } from './model-pipeline.js';
import { isQueue } from './played-source.js';
import { hasCode } from './repeats.js';
import type { Watched } from './watch-history.js';

/** No message of the model is larger. */
const largestMessageBytes = 40;

/** What one life holds for certain: it has read it, and no write of it has ended. */
interface Held {
  /** Names of messages, and their bytes. */
  readonly messages: Map<string, number>;
  /** Stream and partition to the lease under which it was read last, and the place before the read that is under way. */
  readonly reads: Map<string, { readonly lease: number; readonly from: number }>;
  /** Something has failed: what is forgotten and read again from then on only the engine knows. */
  failed: boolean;
}

/** Nobody reads on when the budget is used up: it is exceeded by one batch for each partition at most. */
export function watchBudget(system: MemorySystem, watched: Watched): void {
  const lives = new Map<string, Held>();
  const most = mostOf(watched);
  system.events.listen((event) => {
    if (event.type !== 'operation') return;
    const { operation, phase, error } = event;
    const held = heldBy(lives, operation.instance);
    held.failed ||= isFailure(watched, operation, phase === 'start', error);
    if (held.failed || phase === 'effect') return;
    if (operation.name === 'sink.write' && phase === 'end')
      for (const message of operation.messages) held.messages.delete(keyText(message).replace(/#\d$/, ''));
    if (operation.name !== 'source.read') return;
    if (phase === 'start') begin(system, held, operation);
    else arrive(system, watched, held, operation);
    let bytes = 0;
    for (const each of held.messages.values()) bytes += each;
    if (held.messages.size <= most.messages && bytes <= most.bytes) return;
    held.failed = true;
    const what = `${held.messages.size} messages of ${bytes} bytes that are not written`;
    system.violations.report(`${operation.instance} has read ${what}, and may have ${most.messages} of ${most.bytes}`);
  });
}

function heldBy(lives: Map<string, Held>, instance: string): Held {
  let held = lives.get(instance);
  if (held === undefined) {
    held = { messages: new Map(), reads: new Map(), failed: false };
    lives.set(instance, held);
  }
  return held;
}

function mostOf({ history: { budget }, sources }: Watched): { readonly messages: number; readonly bytes: number } {
  let messages = budget.maxMessages - 1;
  let bytes = budget.maxBytes - 1;
  for (const { config, partitions } of sources) {
    // Who holds fewer partitions asks for more of each, up to half of all.
    const share = config.partitions === 'assigned' ? 2 : Math.max(2, partitions.length);
    const batch = Math.max(1, Math.min(config.batchMessages ?? 1, Math.floor(budget.maxMessages / share)));
    messages += partitions.length * batch;
    bytes += partitions.length * Math.max(largestMessageBytes, Math.floor(budget.maxBytes / share));
  }
  return { messages, bytes };
}

function isFailure({ journal }: Watched, operation: Operation, starts: boolean, error: unknown): boolean {
  if (journal.losses.length > 0) return true;
  if (error !== undefined) return !(operation.name.startsWith('source.') && hasCode(error, 'aborted'));
  const fault: Fault = (starts ? journal.operations.at(-1)?.fault : undefined) ?? {};
  return fault.outcome !== undefined || fault.failures !== undefined || (fault.waitMs ?? 0) >= writeTimeoutMs;
}

/** The lease under which a partition is read, and where that stands. */
function leaseOf(system: MemorySystem, { instance, target, partition }: Operation) {
  const { leases } = system.stream(target).group('model');
  return leases.findLast((lease) => lease.instance === instance && lease.partition === partition);
}

function begin(system: MemorySystem, held: Held, operation: Operation): void {
  const lease = leaseOf(system, operation);
  const key = `${operation.target}/${operation.partition}`;
  if (lease === undefined) return;
  const before = held.reads.get(key);
  // What was read under an older lease may be forgotten.
  if (before !== undefined && before.lease !== lease.id) held.messages.clear();
  held.reads.set(key, { lease: lease.id, from: lease.cursor.taken });
}

function arrive(system: MemorySystem, { sources }: Watched, held: Held, operation: Operation): void {
  const { target, partition = '' } = operation;
  const lease = leaseOf(system, operation);
  const read = held.reads.get(`${target}/${partition}`);
  const source = sources.find(({ stream }) => stream === target);
  // A queue gives what is free, wherever it lies; its window bounds it.
  if (lease === undefined || read?.lease !== lease.id || source === undefined || isQueue(source)) return;
  for (const { message, bytes } of system.stream(target).log(partition).entries.slice(read.from, lease.cursor.taken)) {
    const id = keyText(message);
    if (/:(pass|expand)$/.test(id)) held.messages.set(id, bytes);
  }
}
