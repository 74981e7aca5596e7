import type { Clock } from '../clock.js';
import { type Broadcast, createBroadcast } from './broadcast.js';
import { createGroup, type MemoryGroup } from './memory-group.js';
import { createLog, type MemoryLog, type ProducedMessage } from './memory-log.js';

/** Something that can be read: partitions with messages, and groups that read them. */
export interface MemoryStream {
  readonly name: string;
  /** What tells it from another stream of the same name. A test changes it to replace the system behind the name. */
  identity: string;
  /** Whether no partition will ever come or go any more. */
  readonly ended: boolean;
  /** Names of the partitions, in the order of their appearance. */
  partitions(): readonly string[];
  /** A partition; it appears when it is first asked for. */
  log(partition: string): MemoryLog;
  /** Appends messages to a partition. */
  produce(partition: string, messages: readonly ProducedMessage[]): void;
  /** Forgets the oldest messages of a partition: retention. */
  discard(partition: string, before: number): void;
  /** The partition is finished and leaves every set. What it held stays readable for those who hold it. */
  finish(partition: string): void;
  /** From now on no partition comes or goes: sets end when every partition is where it is to be. */
  end(): void;
  /** A group; it appears when it is first asked for. */
  group(name: string): MemoryGroup;
  /** Told at every change that a reader may wait for. */
  readonly changes: Broadcast;
}

/** Where a stream lives. */
export interface StreamSetup {
  readonly name: string;
  readonly clock: Clock;
  readonly revokeTimeoutMs: number;
}

/** Makes a stream without partitions. */
export function createStream({ name, clock, revokeTimeoutMs }: StreamSetup): MemoryStream {
  const logs = new Map<string, MemoryLog>();
  const finished = new Set<string>();
  const groups = new Map<string, MemoryGroup>();
  const changes = createBroadcast();
  let ended = false;

  const partitions = (): readonly string[] => [...logs.keys()].filter((partition) => !finished.has(partition));

  function log(partition: string): MemoryLog {
    const known = logs.get(partition);
    if (known !== undefined) return known;
    const fresh = createLog(partition);
    logs.set(partition, fresh);
    changes.notify();
    return fresh;
  }

  return {
    name,
    identity: `memory:${name}`,
    changes,
    get ended() {
      return ended;
    },
    partitions,
    log,
    produce(partition, messages) {
      log(partition).append(messages);
      changes.notify();
    },
    discard: (partition, before) => log(partition).discard(before),
    finish(partition) {
      finished.add(partition);
      changes.notify();
    },
    end() {
      ended = true;
      changes.notify();
    },
    group(groupName) {
      const known = groups.get(groupName);
      if (known !== undefined) return known;
      const setup = { name: groupName, clock, revokeTimeoutMs, partitions, changed: changes.notify };
      const fresh = createGroup(setup);
      groups.set(groupName, fresh);
      return fresh;
    },
  };
}
