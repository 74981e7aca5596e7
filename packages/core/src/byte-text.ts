import { isUtf8 } from 'node:buffer';
import { ConnectorError } from './error.js';

/** The same bytes as a `Buffer`, without a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Bytes as UTF-8 text, strictly: nothing is replaced. A byte order mark stays.
 *
 * @throws {ConnectorError} `message_invalid` with the offset of the first byte that is not UTF-8
 */
export function utf8Text(bytes: Uint8Array): string {
  const text = asBuffer(bytes).toString('utf8');
  // Decoding puts U+FFFD where it fails, and looking for that costs a tenth of checking the bytes first.
  if (!text.includes('\ufffd') || isUtf8(bytes)) return text;
  throw new ConnectorError('message_invalid', `byte ${firstInvalidByte(text, bytes)} is not UTF-8`);
}

/** The offset of the first U+FFFD that was not in the bytes themselves. */
function firstInvalidByte(text: string, bytes: Uint8Array): number {
  let offset = 0;
  let from = 0;
  for (let at = text.indexOf('\ufffd'); at !== -1; at = text.indexOf('\ufffd', from)) {
    offset += Buffer.byteLength(text.slice(from, at));
    if (bytes[offset] !== 0xef || bytes[offset + 1] !== 0xbf || bytes[offset + 2] !== 0xbd) return offset;
    offset += 3;
    from = at + 1;
  }
  return offset;
}

/** The beginning of a payload for an error text: quoted when it is readable text, else in hex; `empty` when there is none. */
export function excerpt(bytes: Uint8Array): string {
  const maxBytes = 40;
  if (bytes.length === 0) return 'empty';
  const head = asBuffer(bytes).subarray(0, maxBytes);
  const more = bytes.length > maxBytes ? '…' : '';
  // A character that the cut divides must not make the text look unreadable.
  const text = more ? head.toString('utf8').replace(/\ufffd$/, '') : head.toString('utf8');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return /[\ufffd\u0000-\u0008\u000e-\u001f]/.test(text)
    ? `0x${head.toString('hex', 0, 16)}${bytes.length > 16 ? '…' : ''}`
    : `${JSON.stringify(text)}${more}`;
}
