import type { Clock } from '../clock.js';
import type { Position, ReadOptions, SourceDriver } from '../source-driver.js';
import type { MemorySourceConfig } from './memory-config.js';
import type { Lease, MemoryGroup } from './memory-group.js';
import type { MemoryInstance } from './memory-instance.js';
import { never } from './memory-instance.js';
import { placeOf } from './memory-position.js';
import { Reading } from './memory-reading.js';
import type { MemoryStream } from './memory-stream.js';
import type { SystemEvents } from './system-event.js';
import type { Violations } from './violations.js';

/** What an open source works on. */
export interface SourceSetup {
  readonly stream: MemoryStream;
  readonly group: MemoryGroup;
  readonly config: MemorySourceConfig;
  readonly instance: MemoryInstance;
  readonly events: SystemEvents;
  readonly violations: Violations;
  /** How long the outside system takes to notice that a member has died. */
  readonly sessionTimeoutMs: number;
  readonly clock: Clock;
}

/** Opens a stream for reading. Calls that break the contract of {@link SourceDriver} throw `internal` and are recorded. */
export function openMemorySource(setup: SourceSetup): SourceDriver {
  const { stream, config, instance, violations } = setup;
  const { identity } = stream;
  /** The latest reading of each partition, also when it is over. */
  const readings = new Map<string, Reading>();
  const membership = config.partitions === 'assigned' ? joinGroup(setup, readings) : undefined;
  const commits = createCommits(setup, readings);
  let closed = false;

  function endAll(): void {
    for (const reading of readings.values()) reading.end();
  }
  instance.onCrash(endAll);

  function read(partition: string, position: Position | undefined, options: ReadOptions): Reading {
    if (closed) throw violations.report(`read of partition "${partition}" after close`);
    if (readings.get(partition)?.over === false)
      throw violations.report(`two reads of partition "${partition}" at once`);
    if (membership !== undefined && !membership.mayRead(partition))
      throw violations.report(`read of partition "${partition}", which is not in the set`);
    readings.get(partition)?.end();
    const origin = leaseOf(setup, position)?.identity;
    if (origin !== undefined && origin !== identity)
      throw violations.report(`read of partition "${partition}" of "${identity}" at a position of "${origin}"`);
    const held = membership?.holds(partition) ?? true;
    const reading = new Reading(setup, { partition, identity, position, options, held });
    readings.set(partition, reading);
    return reading;
  }

  return {
    identity,
    ...(config.partitions === 'single' ? {} : { partitions: membership?.partitions ?? (() => fixedSet(setup)) }),
    read,
    ...((config.commits ?? config.position !== 'none')
      ? {
          commit: async (partition: string, position: Position) => {
            if (!instance.alive) return await never();
            if (closed) throw violations.report(`commit of partition "${partition}" after close`);
            await commits(partition, position);
          },
        }
      : {}),
    async close() {
      if (!instance.alive) return await never();
      closed = true;
      endAll();
      membership?.leave();
      stream.changes.notify();
      await instance.perform({ name: 'source.close', target: stream.name, effect: () => {} });
    },
  };
}

/** The lease under which a position was read. */
function leaseOf({ group }: SourceSetup, position: Position | undefined): Lease | undefined {
  const place = placeOf(position);
  return place === undefined ? undefined : group.leases.find(({ id }) => id === place.lease);
}

/** The partitions that are there when it is asked; that set stays. */
async function* fixedSet({ stream, instance }: SourceSetup): AsyncGenerator<readonly string[]> {
  yield await instance.perform({ name: 'source.partitions', target: stream.name, effect: () => stream.partitions() });
}

interface Membership {
  /** Whether the partition is in the set that was told last, or in the one before while the engine has not heard of the last. */
  mayRead(partition: string): boolean;
  holds(partition: string): boolean;
  leave(): void;
  partitions(signal: AbortSignal): AsyncIterable<readonly string[]>;
}

function joinGroup(setup: SourceSetup, readings: ReadonlyMap<string, Reading>): Membership {
  const { stream, group, instance, violations, sessionTimeoutMs } = setup;
  const { assignment } = group;
  const member = assignment.join(instance.name);
  instance.onCrash(() => {
    member.alive = false;
    setup.clock.after(sessionTimeoutMs, () => assignment.leave(member));
  });

  function letGo(): void {
    for (const [partition, reading] of readings) {
      if (member.told.includes(partition)) continue;
      if (!reading.over)
        throw violations.report(`the next set was asked for while partition "${partition}" was still read`);
      reading.end();
    }
    assignment.letGo(member);
  }

  /** Waits until there is a set that differs from the one that was told last; false: there will be none. */
  async function differs(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      if (!instance.alive) await never();
      if (assignment.setFor(member).join('\n') !== member.told.join('\n')) return true;
      if (stream.ended && assignment.stable) {
        member.final = true;
        return false;
      }
      await stream.changes.changed(signal);
    }
    return false;
  }

  /** The set after which the engine has asked for another one. */
  let followed: readonly string[] = [];

  async function* partitions(signal: AbortSignal): AsyncGenerator<readonly string[]> {
    for (let first = true; first || (await differs(signal)); first = false) {
      const tell = (): readonly string[] => {
        assignment.tell(member, assignment.setFor(member));
        return member.told;
      };
      yield await instance.perform({ name: 'source.partitions', target: stream.name, signal, effect: tell });
      letGo();
      followed = member.told;
    }
  }

  return {
    mayRead: (partition) => member.told.includes(partition) || followed.includes(partition),
    holds: (partition) => assignment.holds(member, partition),
    leave: () => assignment.leave(member),
    partitions,
  };
}

/** Commits in order, one at a time, and only what was read under the lease that is held now. */
function createCommits(
  { stream, group, instance, events, violations }: SourceSetup,
  readings: ReadonlyMap<string, Reading>,
): (partition: string, position: Position) => Promise<void> {
  let underWay = false;
  return async (partition, position) => {
    const reading = readings.get(partition);
    const what = `commit of ${JSON.stringify(position)} of partition "${partition}"`;
    if (underWay) throw violations.report(`${what} while another commit is under way`);
    if (reading === undefined) throw violations.report(`${what}, which was never read`);
    if (reading.ended) throw violations.report(`${what} after its lease had ended`);
    const { lease, startPosition } = reading;
    const place = placeOf(position);
    const isStart = JSON.stringify(position) === JSON.stringify(startPosition);
    const known = lease.state === 'held';
    if (place?.lease !== lease.id && !isStart) throw violations.report(`${what}, which was read under another lease`);
    const next = isStart ? lease.cursor.committed : (place?.next ?? 0);
    if (known && next > lease.cursor.taken) throw violations.report(`${what}, which was not read yet`);
    if (known && next < lease.cursor.committed) throw violations.report(`${what}, which is before an earlier commit`);
    underWay = true;
    try {
      await instance.perform({
        name: 'source.commit',
        target: stream.name,
        partition,
        effect() {
          reading.checkHeld();
          const settled = lease.cursor.commit(next);
          const at = instance.clock.now();
          group.commits.push({ at, instance: instance.name, partition, lease: lease.id, next });
          const messages = settled.filter(({ control }) => !control).map(({ message }) => message);
          events.emit({ type: 'commit', at, stream: stream.name, partition, next, messages });
          stream.changes.notify();
        },
      });
    } finally {
      underWay = false;
    }
  };
}
