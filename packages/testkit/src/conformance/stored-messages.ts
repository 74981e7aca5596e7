import { createMessage, type Message } from '@sluice/core/driver';
import { expectMessages, textOfMessage } from './comparison.js';
import type { NativeMessage, SinkPlace } from './harness.js';

/** Messages that were written, by the source partition that they came from. */
export type Written = ReadonlyMap<string, readonly NativeMessage[]>;

/** A native message as a connector gets it. */
export function asMessage({ payload, key, headers, timestamp }: NativeMessage): Message {
  return createMessage({
    payload,
    key: key ?? null,
    ...(headers === undefined ? {} : { headers }),
    ...(timestamp === undefined ? {} : { timestamp }),
  });
}

/**
 * Compares all that is stored with what was written: nothing missing, nothing more, and what came from one source partition in
 * its order wherever the system keeps an order.
 *
 * @throws {Error} that says what is wrong
 */
export async function expectStored(
  place: SinkPlace,
  written: Written | readonly NativeMessage[],
  { repeats = false, anyOrder = false }: { readonly repeats?: boolean; readonly anyOrder?: boolean } = {},
): Promise<void> {
  const stored = await place.stored();
  const byPartition: Written = written instanceof Map ? written : new Map([['', [...written.values()]]]);
  const expected = [...byPartition.values()].flat();
  expectMessages(stored.flat(), expected, { what: 'what is stored', anyOrder: true, repeats });
  if (anyOrder) return;
  for (const [partition, messages] of byPartition) {
    const places = new Map(messages.map((message, index) => [textOfMessage(message), index]));
    for (const inOrder of stored) {
      const first = new Set(inOrder.map(textOfMessage).filter((text) => places.has(text)));
      const found = [...first];
      const wrong = found.findIndex((text, index) => index > 0 && at(places, text) < at(places, found[index - 1]));
      if (wrong < 0) continue;
      const source = partition === '' ? '' : ` of source partition "${partition}"`;
      throw new Error(`what is stored${source} is out of order: ${found[wrong]} comes after ${found[wrong - 1]}`);
    }
  }
}

function at(places: ReadonlyMap<string, number>, text: string | undefined): number {
  return places.get(text ?? '') ?? -1;
}
