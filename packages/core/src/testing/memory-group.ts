import type { Clock } from '../clock.js';
import { type Assignment, createAssignment } from './assignment.js';
import type { Cursor, Progress } from './memory-cursor.js';

/** One stretch of holding one partition: from `read` to the end of its iterator. */
export interface Lease {
  /** Grows with every lease of the group; part of the positions that are read under it. */
  readonly id: number;
  readonly instance: string;
  readonly partition: string;
  /** Of the system behind the stream when its reader was opened. */
  readonly identity: string;
  readonly cursor: Cursor;
  /** `lost`: the outside system has taken it away, whether or not the holder knows. `ended`: the holder has given it up. */
  state: 'held' | 'lost' | 'ended';
}

/** One commit that the outside system accepted. */
export interface CommitRecord {
  readonly at: number;
  readonly instance: string;
  readonly partition: string;
  readonly lease: number;
  readonly next: number;
}

/** A consumer group of a stream: what it has committed, and who reads which partition. */
export interface MemoryGroup {
  readonly name: string;
  /** Every accepted commit, oldest first. */
  readonly commits: CommitRecord[];
  /** Every lease there ever was, oldest first. */
  readonly leases: Lease[];
  readonly assignment: Assignment;
  progress(partition: string): Progress;
  /**
   * Takes a partition from its reader without warning. Its iterator throws `lease_lost`, its commits are refused. `to` says who
   * is to have it next; null: nobody, until it is assigned again; left out: as before.
   */
  lose(partition: string, to?: string | null): void;
}

/** What a group belongs to. */
export interface GroupSetup {
  readonly name: string;
  readonly clock: Clock;
  readonly revokeTimeoutMs: number;
  partitions(): readonly string[];
  changed(): void;
}

/** Makes a group that has read nothing. */
export function createGroup({ name, clock, revokeTimeoutMs, partitions, changed }: GroupSetup): MemoryGroup {
  const progress = new Map<string, Progress>();
  const leases: Lease[] = [];
  const assignment = createAssignment({
    clock,
    revokeTimeoutMs,
    partitions,
    changed,
    lost(partition) {
      for (const lease of leases) {
        if (lease.partition !== partition || lease.state !== 'held') continue;
        lease.state = 'lost';
        lease.cursor.giveBack();
      }
    },
  });
  return {
    name,
    commits: [],
    leases,
    assignment,
    progress(partition) {
      const known = progress.get(partition);
      if (known !== undefined) return known;
      const fresh: Progress = { committed: undefined, held: new Set(), settled: new Set() };
      progress.set(partition, fresh);
      return fresh;
    },
    lose(partition, to) {
      if (to !== undefined) assignment.assign(partition, to);
      assignment.lose(partition);
    },
  };
}
