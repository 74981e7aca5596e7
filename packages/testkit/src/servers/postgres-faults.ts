import type { FaultProxy } from '../fault-proxy.js';
import { breakRequests, type FaultWatch } from '../request-fault.js';

/** What is lost: the statement on its way to the server, or the server's answer to it, so that the client cannot know. */
export type PostgresFault = 'lose-statement' | 'lose-answer';

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
): FaultWatch {
  return breakRequests(proxy, {
    matches: (bytes) => bytes.includes(statement),
    lose: fault === 'lose-statement' ? 'request' : 'answer',
    times,
  });
}
