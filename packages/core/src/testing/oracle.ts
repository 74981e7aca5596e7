import type { Message } from '../message.js';
import type { Checkpoint } from '../sink-driver.js';
import type { Position } from '../source-driver.js';
import { placeOf } from './memory-position.js';
import type { MemorySystem } from './memory-system.js';

/** What has become of the messages of one source, counted without looking into the pipeline. */
export interface Audit {
  /** Expected and not there. */
  readonly lost: readonly string[];
  /** There more than once; one entry for each time too many. */
  readonly duplicated: readonly string[];
  /** Came for the first time before one that was to come earlier. */
  readonly reordered: readonly string[];
  /** Came for the last time before one that was to come earlier: in a table, an older value has won. */
  readonly stale: readonly string[];
}

/**
 * Compares what was to arrive, as one ordered list of identities for each source partition, with what has arrived. What nobody
 * expected is ignored, so that several sources may share a destination.
 */
export function audit(expected: readonly (readonly string[])[], arrived: readonly string[]): Audit {
  const places = new Map<string, number[]>();
  for (const [place, id] of arrived.entries()) {
    const known = places.get(id);
    if (known === undefined) places.set(id, [place]);
    else known.push(place);
  }
  const result = { lost: [] as string[], duplicated: [] as string[], reordered: [] as string[], stale: [] as string[] };
  for (const sequence of expected) {
    let first = -1;
    let last = -1;
    for (const id of sequence) {
      const found = places.get(id) ?? [];
      const [firstPlace] = found;
      const lastPlace = found.at(-1);
      if (firstPlace === undefined || lastPlace === undefined) {
        result.lost.push(id);
        continue;
      }
      for (let extra = 1; extra < found.length; extra += 1) result.duplicated.push(id);
      if (firstPlace < first) result.reordered.push(id);
      if (lastPlace < last) result.stale.push(id);
      first = Math.max(first, firstPlace);
      last = Math.max(last, lastPlace);
    }
  }
  return result;
}

/** Who a message is: its key as text, which no test transform changes. */
export type Identify = (message: Message, destination: string) => string;

/** Whether a destination has something of this identity. */
export type IsStored = (destination: string, id: string) => boolean;

/** What is to be watched. */
export interface SettlingRule {
  readonly stream: string;
  /** Id of the source in the pipeline. Default `source`. */
  readonly sourceId?: string;
  /**
   * Whose checkpoints are watched beside the commits: those of the one who owns the position. A destination by its name, the
   * checkpoint store, or nobody's, as for queues, whose positions mean something to one lease only. Default `store`.
   */
  readonly owner?: { readonly destination: string } | 'store' | 'nobody';
  /** Names a message that has arrived. */
  readonly identify: Identify;
  /**
   * Whether everything that comes of a source message is stored: its outputs, or its dead letter, or nothing because it was
   * filtered.
   */
  settled(message: Message, stored: IsStored): boolean;
  /**
   * Whether anything that comes of a source message is stored in the destination that owns the position. When it is given, data
   * and position have to agree exactly at every flush: nothing of a message that the checkpoint does not pass may be stored.
   */
  begun?(message: Message, stored: IsStored): boolean;
}

/**
 * Watches the order of settling: no message is passed by a checkpoint before everything that comes of it is durable, nor committed
 * to the source before the checkpoint of the owner has passed it.
 * Breaches are reported as violations. Call it before anything runs.
 */
export function watchSettling(system: MemorySystem, rule: SettlingRule): void {
  const { stream, sourceId = 'source', owner = 'store', identify } = rule;
  const stored = new Map<string, Set<string>>();
  const isStored: IsStored = (destination, id) => stored.get(destination)?.has(id) ?? false;
  const watched = new Map<string, number>();

  function check(messages: readonly Message[], passedBy: string): void {
    for (const message of messages) {
      if (!rule.settled(message, isStored))
        system.violations.report(`${passedBy} passes ${identify(message, stream)}, which is not settled`);
    }
  }

  function checkPosition(partition: string, position: Position): void {
    const place = placeOf(position);
    const from = watched.get(partition) ?? 0;
    if (place === undefined || place.next <= from) return;
    watched.set(partition, place.next);
    const passed = system.stream(stream).log(partition).entries.slice(from, place.next);
    check(
      passed.flatMap(({ message, control }) => (control ? [] : [message])),
      `the checkpoint of partition "${partition}"`,
    );
  }

  function checkNothingBeyond(checkpoint: Checkpoint): void {
    for (const partition of system.stream(stream).partitions()) {
      const next = placeOf(checkpoint[`${sourceId}:${partition}`]?.position)?.next ?? 0;
      for (const { message } of system.stream(stream).log(partition).entries.slice(next)) {
        if (rule.begun?.(message, isStored) === true)
          system.violations.report(
            `${identify(message, stream)} is stored beyond the checkpoint of partition "${partition}"`,
          );
      }
    }
  }

  function isOwner(destination: string | undefined): boolean {
    return typeof owner === 'object'
      ? owner.destination === destination
      : owner === 'store' && destination === undefined;
  }

  system.events.listen((event) => {
    if (event.type === 'stored') {
      const ids = stored.get(event.destination) ?? new Set();
      stored.set(event.destination, ids);
      for (const message of event.messages) ids.add(identify(message, event.destination));
    } else if (event.type === 'commit' && event.stream === stream) {
      check(event.messages, `the commit of partition "${event.partition}"`);
      if (owner !== 'nobody' && event.next > (watched.get(event.partition) ?? 0))
        system.violations.report(`the commit of partition "${event.partition}" comes before its checkpoint`);
    } else if (event.type === 'checkpoint' && isOwner(event.destination)) {
      for (const [key, { position }] of Object.entries(event.checkpoint)) {
        if (key.startsWith(`${sourceId}:`)) checkPosition(key.slice(sourceId.length + 1), position);
      }
      if (event.destination !== undefined) checkNothingBeyond(event.checkpoint);
    }
  });
}
