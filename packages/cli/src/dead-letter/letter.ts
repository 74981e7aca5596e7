import { createMessage, type DeadLetter, type Message, type Original, type Value } from '@sluice/core';
import { z } from 'zod';

const Stored = z.union([
  z.null(),
  z.object({ text: z.string() }),
  z.object({ base64: z.base64() }),
  z.object({ value: z.json() }),
]);

/** What the engine writes; a field that a later version adds is no reason to refuse it. */
const Letter = z.object({
  id: z.string(),
  at: z.string(),
  pipeline: z.string(),
  source: z.string(),
  partition: z.string(),
  position: z.json(),
  index: z.number(),
  sink: z.string().nullable(),
  code: z.string(),
  reason: z.string(),
  attempts: z.number(),
  message: z.object({
    topic: z.string().nullable(),
    key: Stored,
    payload: Stored,
    headers: z.array(z.tuple([z.string(), Stored])),
    timestamp: z.number().nullable(),
    operation: z.enum(['create', 'update', 'delete', 'truncate', 'snapshot']).nullable(),
    before: Stored,
  }),
});

/** Reads one stored dead letter, undefined when the bytes are something else. */
export function parseLetter(bytes: Uint8Array): DeadLetter | undefined {
  try {
    const parsed = Letter.safeParse(JSON.parse(Buffer.from(bytes).toString()));
    // The schema has the shape of DeadLetter; only its code stays a string, which nothing here switches on.
    return parsed.success ? (parsed.data as DeadLetter) : undefined;
  } catch {
    // Not JSON, so no dead letter.
    return undefined;
  }
}

/** The message as the source gave it. */
export function originalMessage({ message }: DeadLetter): Message {
  return createMessage({
    topic: message.topic ?? undefined,
    key: toValue(message.key),
    payload: toValue(message.payload),
    headers: message.headers.map(([name, value]) => [name, toValue(value)] as const),
    timestamp: message.timestamp ?? undefined,
    // Checked by the schema when the letter was read.
    operation: (message.operation as Message['operation'] | null) ?? undefined,
    before: message.before === null ? undefined : toValue(message.before),
  });
}

function toValue(original: Original): Value {
  if (original === null) return null;
  if ('text' in original) return Buffer.from(original.text);
  return 'base64' in original ? Buffer.from(original.base64, 'base64') : original.value;
}
