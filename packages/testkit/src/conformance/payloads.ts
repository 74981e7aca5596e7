import type { Carries } from './harness.js';

/** A payload that is easily damaged. */
export interface NamedPayload {
  readonly name: string;
  readonly payload: Uint8Array | null;
}

const mebibyte = 1024 * 1024;

/** The payloads that a system of this kind has to carry untouched. */
export function payloadsFor(carries: Carries): NamedPayload[] {
  const { nullPayload, emptyPayload, anyByte, maxPayloadBytes } = carries;
  const fits = ({ payload }: NamedPayload): boolean => (payload?.length ?? 0) <= maxPayloadBytes;
  const payloads: NamedPayload[] = [
    { name: 'one-byte', payload: Buffer.from('1') },
    { name: 'text', payload: Buffer.from('größer than ASCII, 𝄞, "quoted", \\ and \t') },
    { name: 'number', payload: Buffer.from('0012') },
    { name: 'json', payload: Buffer.from('{ "a":1,  "a":2 }') },
    { name: 'invalid-utf8', payload: Uint8Array.from([0x61, 0xc3, 0x28, 0xff, 0xfe, 0xed, 0xa0, 0x80]) },
    { name: 'largest', payload: Buffer.alloc(Math.min(mebibyte, maxPayloadBytes), 'abcdefghij') },
  ];
  if (nullPayload) payloads.push({ name: 'null', payload: null });
  if (emptyPayload) payloads.push({ name: 'empty', payload: new Uint8Array() });
  if (anyByte) payloads.push({ name: 'every-byte', payload: Uint8Array.from({ length: 256 }, (_, byte) => byte) });
  return payloads.filter(fits);
}
