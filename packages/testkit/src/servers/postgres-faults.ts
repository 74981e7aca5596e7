import type { FaultProxy } from '../fault-proxy.js';
import type { Verdict } from '../proxy-connection.js';

/** What is lost: the statement on its way to the server, or the server's answer to it, so that the client cannot know. */
export type PostgresFault = 'lose-statement' | 'lose-answer';

/** A fault that waits for its statement. */
export interface PostgresFaultWatch extends Disposable {
  /** How often it has struck. */
  readonly struck: number;
  /** Takes it out. */
  stop(): void;
}

/**
 * Breaks the connection at a statement whose text contains `statement`, `times` times (once by default), on whichever connection
 * it comes. A statement that a client sends in several pieces is found if one of them contains the text. Not for TLS.
 *
 * @example A commit that has happened and that the client is not told of:
 * ```ts
 * using fault = breakPostgres(server.proxy, { statement: 'COMMIT', fault: 'lose-answer' });
 * ```
 */
export function breakPostgres(
  proxy: FaultProxy,
  { statement, fault, times = 1 }: { statement: string; fault: PostgresFault; times?: number },
): PostgresFaultWatch {
  /** Connections whose next answer is to be lost. */
  const awaited = new Set<number>();
  let left = times;
  let struck = 0;
  const strike = (): Verdict => {
    struck++;
    return 'cut';
  };
  const stop = proxy.intercept(({ connection, direction, bytes }) => {
    if (direction === 'toClient') return awaited.delete(connection) ? strike() : 'pass';
    if (left === 0 || !bytes.includes(statement)) return 'pass';
    left--;
    if (fault === 'lose-statement') return strike();
    awaited.add(connection);
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
