import type { Message, SinkBatch } from '@sluice/core/driver';
import { brokenSink, type Mutant } from './mutant.js';

/** A sink that writes other messages than it was given. */
export function brokenMessages(change: (messages: readonly Message[]) => readonly Message[]): Mutant['mutate'] {
  return brokenSink((driver) => ({
    ...driver,
    write: (batch, signal) => driver.write(withMessages(batch, change(batch.messages)), signal),
  }));
}

/** The batch with other messages, all in its first slice when there are fewer. */
export function withMessages(batch: SinkBatch, messages: readonly Message[]): SinkBatch {
  if (messages.length === batch.messages.length) return { ...batch, messages };
  const [first] = batch.slices;
  return { messages, slices: first === undefined ? [] : [{ ...first, from: 0, to: messages.length }] };
}

/** The payload; no bytes when there is none. */
export function bytesOf({ payload }: Message): Uint8Array {
  return payload instanceof Uint8Array ? payload : new Uint8Array();
}
