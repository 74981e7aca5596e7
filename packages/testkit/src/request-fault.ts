import type { FaultProxy } from './fault-proxy.js';
import type { Verdict } from './proxy-connection.js';

/** Which requests come to grief, and how. */
export interface RequestFault {
  /** Recognises the request in the bytes that a client sends: a whole message if the proxy knows the protocol's `messageLength`. */
  readonly matches: (bytes: Buffer) => boolean;
  /**
   * `request`: the connection is reset before the server sees it. `answer`: the server does it, and the connection is reset when
   * its answer comes, so that the client cannot know.
   */
  readonly lose: 'request' | 'answer';
  /** How often it strikes, on whichever connection such a request comes. Default 1. */
  readonly times?: number;
  /** Called each time that it has struck. */
  readonly onStrike?: () => void;
}

/** A fault that waits for its request. */
export interface FaultWatch extends Disposable {
  /** How often it has struck. */
  readonly struck: number;
  /** Takes it out. */
  stop(): void;
}

/**
 * Resets the connection at requests that one recognises. Not for TLS, through which a proxy sees nothing.
 *
 * @example A message that the server has taken, and whose client waits for the word of that in vain:
 * ```ts
 * using fault = breakRequests(server.proxy, { matches: (bytes) => bytes.includes('PUBLISH'), lose: 'answer' });
 * ```
 */
export function breakRequests(proxy: FaultProxy, { matches, lose, times = 1, onStrike }: RequestFault): FaultWatch {
  /** Exchanges whose answers are to be lost. */
  const awaited = new Set<string>();
  let left = times;
  let struck = 0;
  const strike = (): Verdict => {
    struck++;
    onStrike?.();
    return 'cut';
  };
  const stop = proxy.intercept(({ direction, bytes, exchange }) => {
    if (direction === 'toClient') return awaited.delete(exchange) ? strike() : 'pass';
    if (left === 0 || !matches(bytes)) return 'pass';
    left--;
    if (lose === 'request') return strike();
    awaited.add(exchange);
    return 'pass';
  });
  return {
    get struck() {
      return struck;
    },
    stop,
    [Symbol.dispose]: stop,
  };
}
