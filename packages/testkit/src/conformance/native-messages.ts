import { createHash } from 'node:crypto';
import type { Carries, NativeMessage } from './harness.js';
import type { Trial } from './trial.js';

/** Which messages to make. */
export interface NumberedMessages {
  readonly count: number;
  /** Number of the first one. Default 0. */
  readonly from?: number;
  /** Part of every payload and key, so that messages of several partitions differ. Default `m`. */
  readonly label?: string;
  /** Length of each payload. Default: as long as its text. */
  readonly payloadBytes?: number;
}

/** Some day in 2026, in whole seconds: what every system can store. */
const firstTimestamp = 1_780_000_000_000;

/**
 * Messages that can be told apart by their content: each payload holds its number and a digest of itself, each key is its own.
 * The same arguments give the same messages. With key, headers and time as far as the system carries them.
 */
export function numberedMessages(carries: Carries, wanted: NumberedMessages): NativeMessage[] {
  const { count, from = 0, label = 'm', payloadBytes } = wanted;
  return Array.from({ length: count }, (_, index) => {
    const number = from + index;
    return nativeMessage(carries, payloadOf(`${label}-${number}`, payloadBytes), `${label}-${number}`, number);
  });
}

/** The same for the sink that is tried. */
export function numbered({ sink }: Pick<Trial, 'sink'>, label: string, count: number): NativeMessage[] {
  return numberedMessages(sink.harness.carries, { label, count });
}

/** A message with this payload, and with key, headers and time as far as the system carries them. */
export function nativeMessage(
  carries: Carries,
  payload: Uint8Array | null,
  name: string,
  number: number,
): NativeMessage {
  return {
    payload,
    ...(carries.key ? { key: Buffer.from(`key-${name}`) } : {}),
    ...(carries.headers === 'none' ? {} : { headers: headersOf(carries.headers, number) }),
    ...(carries.timestamp ? { timestamp: firstTimestamp + number * 1000 } : {}),
  };
}

function payloadOf(name: string, payloadBytes: number | undefined): Uint8Array {
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 16);
  const text = `${name} ${digest} `;
  return Buffer.from(
    payloadBytes === undefined ? text.trim() : text.padEnd(payloadBytes, digest).slice(0, payloadBytes),
  );
}

function headersOf(kind: 'repeated' | 'unique', number: number): [name: string, value: Uint8Array][] {
  const headers: [string, Uint8Array][] = [
    ['number', Buffer.from(`${number}`)],
    ['kind', Buffer.from('numbered')],
  ];
  return kind === 'unique' ? headers : [...headers, ['number', Buffer.from(`again ${number}`)]];
}
