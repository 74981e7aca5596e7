import { createHash } from 'node:crypto';
import { type Message, toNullableBytes, type Value } from '@sluice/core/driver';
import type { Carries, NativeMessage } from './harness.js';

/** A message of the connector as its system's own client would see it, as far as the system carries its parts. */
export function asNative(message: Message, carries: Carries): NativeMessage {
  return {
    payload: toNullableBytes(message.payload),
    ...(carries.key ? { key: toNullableBytes(message.key) } : {}),
    ...(carries.headers === 'none'
      ? {}
      : { headers: message.headers.map(([name, value]) => [name, bytesOf(value)] as const) }),
    ...(carries.timestamp && message.timestamp !== undefined ? { timestamp: message.timestamp } : {}),
  };
}

function bytesOf(value: Value): Uint8Array {
  return toNullableBytes(value) ?? new Uint8Array();
}

/** How messages are to be compared. */
export interface Comparing {
  /** What the messages are, for the error: `partition "a"`. */
  readonly what: string;
  /** Whether they may come in another order. Default false. */
  readonly anyOrder?: boolean;
  /** Whether each may come more than once; then the first time of each counts. Default false. */
  readonly repeats?: boolean;
}

/**
 * Compares messages by everything that they hold.
 *
 * @throws {Error} that says what is missing, what came twice, what nobody sent, and where the order breaks
 */
export function expectMessages(
  actual: readonly NativeMessage[],
  expected: readonly NativeMessage[],
  { what, anyOrder = false, repeats = false }: Comparing,
): void {
  const wanted = expected.map(textOfMessage);
  const all = actual.map(textOfMessage);
  const found = repeats ? [...new Set(all)] : all;
  const [left, right] = anyOrder ? [found.toSorted(), wanted.toSorted()] : [found, wanted];
  if (left.length === right.length && left.every((text, index) => text === right[index])) return;
  throw new Error(`${what}: ${differences(found, wanted).join('; ')}`);
}

function differences(found: readonly string[], wanted: readonly string[]): string[] {
  const said = [`${found.length} messages instead of ${wanted.length}`];
  const say = (label: string, texts: readonly string[]): void => {
    const [first] = texts;
    if (first !== undefined) said.push(`${texts.length} ${label}, first ${first}`);
  };
  const foundOnce = new Set(found);
  const wantedOnce = new Set(wanted);
  say(
    'missing',
    wanted.filter((text) => !foundOnce.has(text)),
  );
  say(
    'that nobody sent',
    found.filter((text) => !wantedOnce.has(text)),
  );
  say(
    'repeated',
    found.filter((text, index) => found.indexOf(text) !== index && wantedOnce.has(text)),
  );
  if (said.length === 1) {
    const at = found.findIndex((text, index) => text !== wanted[index]);
    said.push(`out of order at index ${at}: ${found[at]} instead of ${wanted[at]}`);
  }
  return said;
}

const longestText = 60;

/** Everything that a message holds, as a text that is equal only for equal messages. */
export function textOfMessage({ payload, key, headers, timestamp }: NativeMessage): string {
  const parts = [`payload ${textOfBytes(payload)}`];
  if (key !== undefined) parts.push(`key ${textOfBytes(key)}`);
  if (headers !== undefined)
    parts.push(`headers ${headers.map(([name, value]) => `${name}=${textOfBytes(value)}`).join(',')}`);
  if (timestamp !== undefined) parts.push(`time ${timestamp}`);
  return `{${parts.join(' ')}}`;
}

function textOfBytes(bytes: Uint8Array | null): string {
  if (bytes === null) return 'null';
  const text = JSON.stringify(Buffer.from(bytes).toString('latin1'));
  if (text.length <= longestText) return text;
  return `${text.slice(0, longestText)}… (${bytes.length} bytes, ${digestOf(bytes)})`;
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 12);
}
