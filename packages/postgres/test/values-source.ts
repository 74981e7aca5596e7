import type { Source, Value } from '@sluice/core';
import { createMessage } from '@sluice/core/driver';
import { inlineSource } from '@sluice/core/testing';

/** A source that brings these payloads in one batch and ends. */
export function valuesSource(payloads: readonly Value[]): Source {
  return inlineSource('values', {
    async *read(_partition, position) {
      const from = Number(position ?? 0);
      const messages = payloads.slice(from).map((payload) => createMessage({ payload }));
      const bytes = messages.length * 100;
      const positionAt = (index: number): number => from + index + 1;
      if (messages.length > 0) yield { messages, bytes, position: payloads.length, positionAt };
    },
  });
}
