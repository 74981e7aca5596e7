import { createMessage, type Message } from '../message.js';

/** A message to put into a stream. */
export interface ProducedMessage extends Partial<Message> {
  /** The driver cannot make sense of it and says why. */
  readonly failure?: unknown;
  /** It is not a message but a mark of the outside system, which moves the position and is not delivered. */
  readonly control?: boolean;
}

/** A message as it lies in a stream. */
export interface LogEntry {
  readonly message: Message;
  /** Size as the source reports it: payload and key, and at least 1. */
  readonly bytes: number;
  /** A test clears it to mend the message. */
  failure: unknown;
  readonly control: boolean;
}

/** One partition of a stream: everything that was ever produced, by offset. */
export interface MemoryLog {
  readonly partition: string;
  readonly entries: readonly LogEntry[];
  /** Offset of the first message that is still there. */
  readonly start: number;
  append(messages: readonly ProducedMessage[]): void;
  /** Forgets everything before this offset. */
  discard(before: number): void;
}

/** Makes an empty log. */
export function createLog(partition: string): MemoryLog {
  const entries: LogEntry[] = [];
  let start = 0;
  return {
    partition,
    entries,
    get start() {
      return start;
    },
    append(messages) {
      for (const { failure, control = false, ...fields } of messages) {
        const message = createMessage(fields);
        entries.push({ message, bytes: bytesOf(message), failure, control });
      }
    },
    discard(before) {
      start = Math.max(start, Math.min(before, entries.length));
    },
  };
}

/** Bytes of payload and key, at least 1. */
export function bytesOf({ payload, key }: Message): number {
  return Math.max(1, sizeOf(payload) + sizeOf(key));
}

function sizeOf(value: Message['payload']): number {
  if (value === null) return 0;
  return value instanceof Uint8Array || typeof value === 'string' ? value.length : 8;
}
