import { setTimeout as pause } from 'node:timers/promises';
import { classifyKafkaError, protocolTypeOf } from '../error.js';

const firstPauseMs = 50;
const maxPauseMs = 1000;

/**
 * Whether a failure belongs to a cluster that is well: a leader or a coordinator moves, a broker restarts, a topic that was
 * just made is not known to every broker. The connection to one broker of many is no reason to give up the others.
 */
export function mayPass(error: unknown): boolean {
  const code = classifyKafkaError(error)?.code;
  if (code === 'not_connected' || code === 'timeout' || code === 'conflict') return true;
  return protocolTypeOf(error) === 'UNKNOWN_TOPIC_OR_PARTITION';
}

/**
 * Tries again what {@link mayPass} until the limit; then, or at any other failure, rejects with the last one. When the signal
 * is aborted it does not wait for the attempt that is under way.
 */
export async function patiently<T>(limitMs: number, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  const until = performance.now() + limitMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, maxPauseMs)) {
    signal.throwIfAborted();
    try {
      return await orAborted(attempt(), signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!mayPass(error) || performance.now() + pauseMs > until) throw error;
      await pause(pauseMs, undefined, { signal });
    }
  }
}

/** The outcome of an attempt, or the signal's reason as soon as it is aborted; nobody hears of the attempt then. */
export async function orAborted<T>(attempt: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort);
  try {
    return await Promise.race([attempt, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
