import { type Message, noHeaders, type Value } from '@sluice/core/driver';

/**
 * The message of one frame. A literal with the fields of `createMessage`, in its order: this runs once per message, and so
 * has no optional fields to look at.
 */
export function toMessage(path: string, payload: Value): Message {
  return {
    topic: path,
    key: null,
    payload,
    headers: noHeaders,
    timestamp: undefined,
    operation: undefined,
    before: undefined,
    schema: undefined,
  };
}
