/** Tells whoever waits that something has changed. */
export interface Broadcast {
  notify(): void;
  /** Resolves at the next change, or when `signal` is aborted. */
  changed(signal?: AbortSignal): Promise<void>;
}

/** Makes a broadcast that nobody waits for. */
export function createBroadcast(): Broadcast {
  let waiting = new Set<() => void>();
  return {
    notify() {
      const woken = waiting;
      waiting = new Set();
      for (const wake of woken) wake();
    },
    changed(signal) {
      return new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const wake = (): void => {
          waiting.delete(wake);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        waiting.add(wake);
        signal?.addEventListener('abort', wake, { once: true });
      });
    },
  };
}
