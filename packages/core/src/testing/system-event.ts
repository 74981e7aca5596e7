import type { Message } from '../message.js';
import type { Checkpoint } from '../sink-driver.js';
import type { Operation } from './faults.js';

/** Something that became true in the outside world. Listeners hear of it in the same instant. */
export type SystemEvent =
  /** An operation has started, taken effect, or ended; `error` is what the caller sees. A dead instance's end is not told. */
  | {
      readonly type: 'operation';
      readonly at: number;
      readonly operation: Operation;
      readonly phase: 'start' | 'effect' | 'end';
      readonly error?: unknown;
    }
  | { readonly type: 'crash'; readonly at: number; readonly instance: string }
  /** The outside system was told that these messages may be forgotten. */
  | {
      readonly type: 'commit';
      readonly at: number;
      readonly stream: string;
      readonly partition: string;
      /** The place that was committed: an offset, unless the partition is a queue. */
      readonly next: number;
      readonly messages: readonly Message[];
    }
  /** Messages became durable in a destination. */
  | {
      readonly type: 'stored';
      readonly at: number;
      readonly destination: string;
      readonly messages: readonly Message[];
    }
  /** A checkpoint became durable: in the store, or together with data in an atomic destination. */
  | {
      readonly type: 'checkpoint';
      readonly at: number;
      /** Name of the destination; undefined for the store. */
      readonly destination: string | undefined;
      readonly pipeline: string;
      readonly checkpoint: Checkpoint;
    };

/** The events of a system. */
export interface SystemEvents {
  emit(event: SystemEvent): void;
  /** Calls `listener` for each event from now on; returns what ends that. */
  listen(listener: (event: SystemEvent) => void): () => void;
}

/** Makes events that nobody listens to. */
export function createSystemEvents(): SystemEvents {
  const listeners = new Set<(event: SystemEvent) => void>();
  return {
    emit(event) {
      for (const listener of listeners) listener(event);
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
