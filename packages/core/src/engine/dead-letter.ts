import { createHash } from 'node:crypto';
import type { ConnectorError, ErrorCode } from '../error.js';
import { createMessage, type Message, type Value } from '../message.js';
import type { Position } from '../source-driver.js';
import type { InvalidMessage } from './hub.js';
import type { Plan } from './plan.js';

/**
 * A key, payload or header as it was: null, bytes that are UTF-8 as `text`, any other bytes as `base64`, and what was never
 * bytes as `value`.
 */
export type Original = null | { readonly text: string } | { readonly base64: string } | { readonly value: Value };

/** What a dead letter holds: the message as the source gave it, where it came from, and why it is here. */
export interface DeadLetter {
  /**
   * A digest of pipeline, source, partition, position and index, so the same message has the same id when it comes again; of
   * several sinks also of the one that refused it, because each gets what it refused again. 16 hexadecimal digits, of which a
   * million letters share one with a chance of 1 in 37 million.
   */
  readonly id: string;
  /** When it was given up, ISO 8601. */
  readonly at: string;
  readonly pipeline: string;
  readonly source: string;
  readonly partition: string;
  /** The position just after the message or, where the source cannot tell, after its batch. */
  readonly position: Position;
  /** Index of the message in what ends at `position`. */
  readonly index: number;
  /** The sink that refused it; null when it failed before. */
  readonly sink: string | null;
  readonly code: ErrorCode;
  readonly reason: string;
  /** Write attempts; 0 when it never reached a sink. */
  readonly attempts: number;
  readonly message: {
    readonly topic: string | null;
    readonly key: Original;
    readonly payload: Original;
    readonly headers: readonly (readonly [string, Original])[];
    readonly timestamp: number | null;
    readonly operation: string | null;
    readonly before: Original;
  };
}

/** The dead letter of an invalid message. */
export function deadLetterOf(
  { segment, index, error, branch, attempts }: InvalidMessage,
  { name: pipeline, branches }: Pick<Plan, 'name' | 'branches'>,
  nowMs: number,
): DeadLetter {
  const { batch, lease } = segment;
  const position = batch.positionAt?.(index) ?? batch.position;
  const at = batch.positionAt === undefined ? index : 0;
  const source = lease.source.id;
  const sink = branch?.id ?? null;
  const origin = [pipeline, source, lease.partition, position, at];
  return {
    id: idOf(branches.length > 1 && sink !== null ? [...origin, sink] : origin),
    at: new Date(nowMs).toISOString(),
    pipeline,
    source,
    partition: lease.partition,
    position,
    index: at,
    sink,
    code: error.code,
    reason: error.message,
    attempts,
    message: originalOf(batch.messages[index]),
  };
}

function idOf(origin: readonly Position[]): string {
  return createHash('sha256').update(JSON.stringify(origin)).digest('hex').slice(0, 16);
}

/** The dead letter as a message for any sink: its id is the key, so that a keyed sink stores repeats once. */
export function deadLetterMessage(letter: DeadLetter): Message {
  // A DeadLetter is made of plain objects only, which its interface type does not tell the compiler.
  return createMessage({ key: letter.id, payload: letter as unknown as Value, timestamp: Date.parse(letter.at) });
}

function originalOf(message: Message | undefined): DeadLetter['message'] {
  return {
    topic: message?.topic ?? null,
    key: original(message?.key ?? null),
    payload: original(message?.payload ?? null),
    headers: (message?.headers ?? []).map(([name, value]) => [name, original(value)]),
    timestamp: message?.timestamp ?? null,
    operation: message?.operation ?? null,
    before: original(message?.before ?? null),
  };
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function original(value: Value): Original {
  if (value === null) return null;
  if (!(value instanceof Uint8Array)) return { value };
  try {
    return { text: utf8.decode(value) };
  } catch {
    // Not UTF-8, so no text stands for these bytes.
    return { base64: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
  }
}

/**
 * Notices when too many of the latest messages are invalid: a wrong codec would otherwise drain the whole source into the
 * dead letters.
 */
export class DeadLetterThreshold {
  readonly #limit: number;
  readonly #window: number;
  /** Which message each of the latest invalid ones was, and its reason; the first `#passed` lie behind the window. */
  #invalid: { readonly at: number; readonly kind: string }[] = [];
  #passed = 0;
  /** Those of them that lie in the window. */
  readonly #places = new Set<number>();
  #latest = 0;
  readonly #counts = new Map<string, { count: number; reason: string }>();

  constructor(maxRatio: number, window: number) {
    this.#limit = maxRatio * window;
    this.#window = window;
  }

  /**
   * Counts an invalid message, the `at`th of all messages, however many branches refuse it; returns the most frequent reason
   * when there are too many. Reasons that differ only in what they quote count as one.
   */
  add(error: ConnectorError, at: number): string | undefined {
    // Branches and sinks tell in their own time: what the latest messages have left behind is none of them.
    if (at <= this.#latest - this.#window || this.#places.has(at)) return undefined;
    this.#latest = Math.max(this.#latest, at);
    this.#places.add(at);
    const kind = error.message.replaceAll(/"[^"]*"|\d+/g, '…');
    this.#invalid.push({ at, kind });
    this.#counts.set(kind, { count: (this.#counts.get(kind)?.count ?? 0) + 1, reason: error.message });
    for (let first = this.#invalid[this.#passed]; first !== undefined && first.at <= this.#latest - this.#window; ) {
      const counted = this.#counts.get(first.kind);
      if (counted !== undefined) counted.count--;
      this.#places.delete(first.at);
      this.#passed++;
      first = this.#invalid[this.#passed];
    }
    if (this.#passed > 1024) {
      this.#invalid = this.#invalid.slice(this.#passed);
      this.#passed = 0;
      for (const [each, { count }] of this.#counts) if (count === 0) this.#counts.delete(each);
    }
    if (this.#invalid.length - this.#passed <= this.#limit) return undefined;
    const [frequent] = [...this.#counts.values()].sort((a, b) => b.count - a.count);
    return frequent?.reason;
  }
}
