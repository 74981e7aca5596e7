import { setTimeout as delay } from 'node:timers/promises';
import type { Faults } from '../src/conformance/harness.js';

/** What the memory system's clients see of its network. */
export class ServerError extends Error {
  readonly code: 'REFUSED' | 'RESET' | 'DENIED' | 'MISSING';

  constructor(code: ServerError['code'], text: string) {
    super(text);
    this.code = code;
  }
}

/** One connection of a client. */
export interface Connection {
  /** Sends a request and waits for its answer. `effect` is what the server does when it arrives. */
  request<T>(name: string, effect: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  close(): void;
  /** The server resets it. */
  reset(): void;
  /** Called once when it is reset. */
  onReset(listener: () => void): void;
}

/** The network between the memory connector and its system: where it can be hurt. */
export interface Door extends Faults {
  /** Whether anything passes. */
  readonly passable: boolean;
  /** Rejects with `REFUSED` while the system is down. */
  connect(signal: AbortSignal): Promise<Connection>;
}

/** Makes an open door. */
export function createDoor(): Door {
  const breaks = new Set<() => void>();
  const waiting = new Set<() => void>();
  let state: 'open' | 'refusing' | 'hanging' = 'open';
  let delayMs = 0;
  let trap: { matches(bytes: Uint8Array): boolean; happened(): void } | undefined;

  function breakAll(): void {
    for (const end of [...breaks]) end();
  }
  function become(next: typeof state): void {
    state = next;
    for (const wake of [...waiting]) wake();
  }
  /** Waits while nothing passes. */
  async function passage(signal: AbortSignal | undefined): Promise<void> {
    while (state === 'hanging') {
      signal?.throwIfAborted();
      const change = Promise.withResolvers<void>();
      const wake = (): void => change.resolve();
      waiting.add(wake);
      signal?.addEventListener('abort', wake);
      await change.promise;
      waiting.delete(wake);
      signal?.removeEventListener('abort', wake);
    }
    if (delayMs > 0) await delay(delayMs);
  }

  function open(): Connection {
    const broken = Promise.withResolvers<never>();
    broken.promise.catch(() => undefined); // nobody may be waiting when it breaks
    const listeners: (() => void)[] = [];
    let isBroken = false;
    const end = (): void => {
      if (!breaks.delete(end)) return;
      isBroken = true;
      broken.reject(new ServerError('RESET', 'the connection was reset'));
      for (const listener of listeners) listener();
    };
    breaks.add(end);
    async function exchange<T>(name: string, effect: () => Promise<T>, signal?: AbortSignal): Promise<T> {
      await passage(signal);
      if (isBroken) return await broken.promise;
      const answer = effect();
      if (trap?.matches(Buffer.from(name)) === true) {
        const { happened } = trap;
        trap = undefined;
        await answer;
        end();
        happened();
        return await broken.promise;
      }
      const result = await answer;
      await passage(signal);
      return result;
    }
    return {
      request: (name, effect, signal) => Promise.race([exchange(name, effect, signal), broken.promise]),
      close: () => void breaks.delete(end),
      reset: end,
      onReset: (listener) => void listeners.push(listener),
    };
  }

  return {
    get passable() {
      return state !== 'hanging';
    },
    async connect(signal) {
      await passage(signal);
      if (state === 'refusing') throw new ServerError('REFUSED', 'connection refused');
      return open();
    },
    cut: async () => {
      become('refusing');
      breakAll();
    },
    hang: async () => become('hanging'),
    slow: async (ms) => {
      delayMs = ms;
    },
    cutAfter: async (matches) => {
      const happened = Promise.withResolvers<void>();
      trap = { matches, happened: happened.resolve };
      return { happened: happened.promise };
    },
    pause: async () => become('hanging'),
    restart: async () => breakAll(),
    stop: async () => {
      become('refusing');
      breakAll();
    },
    restore: async () => {
      delayMs = 0;
      trap = undefined;
      become('open');
    },
    connections: () => breaks.size,
  };
}
