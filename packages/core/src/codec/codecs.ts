import { ConnectorError } from '../error.js';
import { base64Codec } from './base64.js';
import { bytesCodec } from './bytes.js';
import { changeCodec } from './change.js';
import type { Codec, CodecName } from './codec.js';
import { jsonCodec } from './json.js';
import { textCodec } from './text.js';

const codecs: Readonly<Record<CodecName, Codec>> = {
  bytes: bytesCodec,
  text: textCodec,
  json: jsonCodec,
  base64: base64Codec,
  change: changeCodec,
};

/** The names that {@link codecOf} knows, for schemas and texts. */
export const codecNames: readonly CodecName[] = ['bytes', 'text', 'json', 'base64', 'change'];

/**
 * The codec of that name; a codec is returned as it is.
 *
 * @throws {ConnectorError} `config_invalid` for a name that is not known
 */
export function codecOf(nameOrCodec: CodecName | Codec): Codec {
  if (typeof nameOrCodec !== 'string') return nameOrCodec;
  if (Object.hasOwn(codecs, nameOrCodec)) return codecs[nameOrCodec];
  const message = `there is no codec "${nameOrCodec}": use one of ${codecNames.join(', ')}`;
  throw new ConnectorError('config_invalid', message, { issues: [{ path: ['codec'], message }] });
}
