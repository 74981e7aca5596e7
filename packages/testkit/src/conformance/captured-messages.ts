import { setTimeout as delay } from 'node:timers/promises';
import type { Sink } from '@sluice/core';
import type { Message } from '@sluice/core/driver';
import { inlineSink } from '@sluice/core/testing';

/** A sink that keeps in this process what it is given, by source partition. */
export interface CapturedMessages {
  readonly sink: Sink;
  readonly messages: ReadonlyMap<string, readonly Message[]>;
  readonly count: number;
  /** Takes nothing until {@link CapturedMessages.open}. */
  block(): void;
  open(): void;
}

/** Nothing captured yet. @param delayMs how long it takes over each write, so that messages wait behind it. Default 0 */
export function captureMessages(delayMs = 0): CapturedMessages {
  const messages = new Map<string, Message[]>();
  let gate: PromiseWithResolvers<void> | undefined;
  const sink = inlineSink('captured', {
    async write(batch) {
      if (delayMs > 0) await delay(delayMs);
      await gate?.promise;
      for (const { partition, from, to } of batch.slices) {
        const name = partition.slice(partition.indexOf(':') + 1);
        messages.set(name, [...(messages.get(name) ?? []), ...batch.messages.slice(from, to)]);
      }
    },
  });
  return {
    sink,
    messages,
    get count() {
      return [...messages.values()].reduce((sum, { length }) => sum + length, 0);
    },
    block: () => {
      gate ??= Promise.withResolvers();
    },
    open: () => {
      gate?.resolve();
      gate = undefined;
    },
  };
}
