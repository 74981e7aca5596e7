import type { Clock } from '../clock.js';
import { ConnectorError, type ErrorCode } from '../error.js';
import type { Message } from '../message.js';
import type { Checkpoint, StoredPosition } from '../sink-driver.js';
import type { SystemEvents } from './system-event.js';

/** A message that a destination has durably. */
export interface StoredMessage {
  readonly message: Message;
  /** Source id and partition that it came from, as the engine said. */
  readonly partition: string;
  readonly at: number;
  readonly instance: string;
}

/** Something that can be written to: messages, and per pipeline a checkpoint with a fence for each partition. */
export interface MemoryDestination {
  readonly name: string;
  /** Everything that became durable, in that order, repeats included. */
  readonly stored: readonly StoredMessage[];
  /** Which messages can never be written, and why. A test sets it. */
  refuses: (message: Message) => ErrorCode | undefined;
  /** The last message of each key (as text), in the order of first appearance: what an idempotent destination holds. */
  table(): ReadonlyMap<string, Message>;
  /** What is stored for a pipeline together with the data. */
  checkpoint(pipeline: string): Checkpoint;
  /** The current fence of a partition; 0 before the first claim. */
  fence(pipeline: string, partition: string): number;
  /** Raises the fences of these partitions and returns them by partition. */
  claim(pipeline: string, partitions: readonly string[]): ReadonlyMap<string, number>;
  /** Makes messages durable. */
  store(messages: readonly StoredMessage[]): void;
  /** Makes messages durable together with a checkpoint. */
  storeWithCheckpoint(pipeline: string, messages: readonly StoredMessage[], checkpoint: Checkpoint): void;
}

/** Makes an empty destination. */
export function createDestination(name: string, clock: Clock, events: SystemEvents): MemoryDestination {
  const stored: StoredMessage[] = [];
  const checkpoints = new Map<string, Record<string, StoredPosition>>();
  const fences = new Map<string, number>();

  const fenceKey = (pipeline: string, partition: string): string => `${pipeline}\n${partition}`;

  function store(messages: readonly StoredMessage[]): void {
    if (messages.length === 0) return;
    stored.push(...messages);
    events.emit({
      type: 'stored',
      at: clock.now(),
      destination: name,
      messages: messages.map(({ message }) => message),
    });
  }

  return {
    name,
    stored,
    refuses: () => undefined,
    table: () => new Map(stored.map(({ message }) => [keyText(message), message])),
    checkpoint: (pipeline) => ({ ...checkpoints.get(pipeline) }),
    fence: (pipeline, partition) => fences.get(fenceKey(pipeline, partition)) ?? 0,
    claim(pipeline, partitions) {
      const raised = new Map<string, number>();
      for (const partition of partitions) {
        const key = fenceKey(pipeline, partition);
        const fence = (fences.get(key) ?? 0) + 1;
        fences.set(key, fence);
        raised.set(partition, fence);
      }
      return raised;
    },
    store,
    storeWithCheckpoint(pipeline, messages, checkpoint) {
      store(messages);
      const merged = { ...checkpoints.get(pipeline), ...asJson(checkpoint) };
      checkpoints.set(pipeline, merged);
      events.emit({ type: 'checkpoint', at: clock.now(), destination: name, pipeline, checkpoint: merged });
    },
  };
}

/** A key as text: bytes are decoded, values are JSON. */
export function keyText({ key }: Message): string {
  if (typeof key === 'string') return key;
  return key instanceof Uint8Array ? Buffer.from(key).toString() : JSON.stringify(key);
}

/** What is left of a checkpoint when it is stored as JSON. */
export function asJson(checkpoint: Checkpoint): Checkpoint {
  // JSON gives back the shape that was put in, or the round trip shows what was not JSON.
  return JSON.parse(JSON.stringify(checkpoint)) as Checkpoint;
}

/** The refusal of an older holder. */
export function fencedError(subject: string): ConnectorError {
  return new ConnectorError('fenced', `${subject} was claimed by a newer instance`);
}
