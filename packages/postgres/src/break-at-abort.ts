import type { Client } from 'pg';

/** The outcome of `action`. Its connection is broken at the abort, which fails whatever waits for the server. */
export async function breakAtAbort<T>(client: Client, signal: AbortSignal, action: () => Promise<T>): Promise<T> {
  const giveUp = (): void => void client.connection.stream.destroy();
  signal.addEventListener('abort', giveUp);
  try {
    return await action();
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
