import { createMessage, type Message, type ReadOptions, type SourceBatch } from '@sluice/core/driver';
import type { Notification } from 'pg';

/** What a notification needs in memory beside its text. */
const bytesPerMessage = 200;

interface Queued {
  readonly message: Message;
  readonly bytes: number;
}

/** Notifications that wait to be read: so many bytes and no more, because the server waits for nobody who listens. */
export class NotificationQueue {
  readonly #maxBytes: number;
  #queued: Queued[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** False when there is no room for it. */
  push({ channel, payload = '', processId }: Notification): boolean {
    const bytes = bytesPerMessage + Buffer.byteLength(payload);
    if (this.#queued.length > 0 && this.#bytes + bytes > this.#maxBytes) return false;
    const message = createMessage({
      topic: channel,
      payload: Buffer.from(payload),
      headers: [['processId', processId]],
    });
    this.#queued.push({ message, bytes });
    this.#bytes += bytes;
    return true;
  }

  /** The next batch; undefined when nothing waits. */
  shift({ maxMessages, maxBytes }: Pick<ReadOptions, 'maxMessages' | 'maxBytes'>): SourceBatch | undefined {
    let count = 0;
    let bytes = 0;
    for (const next of this.#queued) {
      if (count > 0 && (count >= maxMessages || bytes + next.bytes > maxBytes)) break;
      count++;
      bytes += next.bytes;
    }
    if (count === 0) return undefined;
    const messages = this.#queued.slice(0, count).map(({ message }) => message);
    this.#queued = this.#queued.slice(count);
    this.#bytes -= bytes;
    return { messages, position: null, bytes };
  }
}
