import { ConnectorError } from '@sluice/core/driver';
import type { Notification } from 'pg';
import { endsWithin } from '../end-client.js';
import { quoted } from '../identifier.js';
import type { TextClient } from '../text-client.js';

/** What is heard on, and how its end is noticed. */
export interface Hearing {
  readonly channels: readonly string[];
  readonly pingIntervalMs: number;
  hear(notification: Notification): void;
}

/** Listens on a connection, and asks from time to time whether it lives: one that died without a word brings nothing, too. */
export class Listener {
  readonly #client: TextClient;
  readonly #hearing: Hearing;
  #timer: NodeJS.Timeout | undefined;
  #wakeUp: (() => void) | undefined;
  #isWoken = false;
  #end: Error | undefined;

  private constructor(client: TextClient, hearing: Hearing) {
    this.#client = client;
    this.#hearing = hearing;
    client.client.on('notification', (notification) => {
      hearing.hear(notification);
      this.#wake();
    });
    client.client.on('error', (error) => this.#fail(error));
    client.client.once('end', () => this.#fail(new ConnectorError('not_connected', 'the connection was lost')));
  }

  static async start(client: TextClient, hearing: Hearing): Promise<Listener> {
    const listener = new Listener(client, hearing);
    await client.run(hearing.channels.map((channel) => `listen ${quoted(channel)}`).join('; '));
    listener.#ask();
    return listener;
  }

  /** What ended the connection; undefined while it lives. */
  get end(): Error | undefined {
    return this.#end;
  }

  /** Waits for a notification since the last wait, or so many milliseconds. Rejects when the connection is lost. */
  async wait(ms: number | undefined, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wakeUp = resolve;
    const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
    const wake = (): void => resolve();
    signal.addEventListener('abort', wake);
    if (!this.#isWoken && !signal.aborted && this.#end === undefined) await promise;
    signal.removeEventListener('abort', wake);
    clearTimeout(timer);
    this.#isWoken = false;
    if (this.#end !== undefined && !signal.aborted) throw this.#end;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#end ??= new ConnectorError('closed', 'the source was closed');
  }

  #wake(): void {
    this.#isWoken = true;
    this.#wakeUp?.();
  }

  #fail(error: Error): void {
    if (this.#end !== undefined) return;
    this.stop();
    this.#end = error;
    this.#wakeUp?.();
  }

  #ask(): void {
    this.#timer = setTimeout(() => void this.#ping(), this.#hearing.pingIntervalMs);
  }

  async #ping(): Promise<void> {
    // It would wait for an answer that may take long, and has a limit of its own.
    if (this.#client.isAsking) return this.#ask();
    const { pingIntervalMs } = this.#hearing;
    const asking = this.#client.run('select 1');
    if (await endsWithin(pingIntervalMs, asking)) {
      if (this.#end === undefined) this.#ask();
      return;
    }
    this.#fail(
      new ConnectorError('not_connected', `the server has not answered within ${pingIntervalMs} ms; it may be gone`),
    );
    this.#client.break();
    asking.catch(() => undefined); // says only that the connection is closed
  }
}
