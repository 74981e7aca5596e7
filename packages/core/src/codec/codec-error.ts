import { excerpt } from '../byte-text.js';
import { ConnectorError, messageOf, withoutStop } from '../error.js';

/** What a codec throws when it cannot read the bytes: the reason and how they begin. */
export function decodeError(codec: string, cause: unknown, bytes: Uint8Array): ConnectorError {
  return new ConnectorError(
    'message_invalid',
    `${codec} codec could not decode the payload: ${reasonOf(cause)}. It begins ${excerpt(bytes)}; set the codec that it is written in.`,
    { cause },
  );
}

/** What a codec throws when it cannot write the value. */
export function encodeError(codec: string, cause: unknown): ConnectorError {
  return new ConnectorError('message_invalid', `${codec} codec could not encode the payload: ${messageOf(cause)}`, {
    cause,
  });
}

/** JSON.parse quotes the text; where it does so from the beginning, that is said once. */
function reasonOf(cause: unknown): string {
  return withoutStop(messageOf(cause).replace(/, ".*"(\.\.\.)? is not valid JSON$/s, ''));
}
