import type { BudgetSettings } from '../pipeline-definition.js';
import { Condition } from './condition.js';

/**
 * What is held between source and sink. A batch is charged when it arrives. Its messages are released when nobody needs them in
 * memory any more, its bytes when its last message is durable: until then a sink may hold them. Readers wait while either is used
 * up, so the overshoot is at most one batch for each partition.
 */
export class Budget {
  messages = 0;
  bytes = 0;
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly #room = new Condition();

  constructor(settings: Required<BudgetSettings>) {
    this.maxMessages = settings.maxMessages;
    this.maxBytes = settings.maxBytes;
  }

  get full(): boolean {
    return this.bytes >= this.maxBytes || this.messages >= this.maxMessages;
  }

  charge(messages: number, bytes: number): void {
    this.messages += messages;
    this.bytes += bytes;
  }

  release(messages: number, bytes: number): void {
    this.messages -= messages;
    this.bytes -= bytes;
    if (!this.full) this.#room.notify();
  }

  /** Resolves when there is room, or at {@link wake}. */
  room(): Promise<void> {
    return this.full ? this.#room.wait() : Promise.resolve();
  }

  /** Lets all waiting readers look at their state again. */
  wake(): void {
    this.#room.notify();
  }
}
