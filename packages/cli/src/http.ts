import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Health } from './health.js';
import type { AnswerScrape } from './metrics.js';
import { badInput } from './problem.js';

/** Where to listen. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A server that answers `/metrics`, `/health` and `/ready`. */
export interface StatusServer {
  /** `http://127.0.0.1:9090`. */
  readonly url: string;
  close(): void;
}

/**
 * Reads `:9090`, `9090`, `0.0.0.0:9090` or `[::1]:9090`. Without an address it is loopback: metrics tell about the data, and
 * nobody asked to show them to the network.
 *
 * @throws {BadInput}
 */
export function parseAddress(text: string): Address {
  const [, bracketed, plain, port] = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535) {
    throw badInput(
      `--http ${text} is not an address; give a port as in :9090, or an address and a port as in 0.0.0.0:9090`,
    );
  }
  return { host: bracketed ?? (plain || '127.0.0.1'), port: Number(port) };
}

/**
 * Starts to listen.
 *
 * @throws Error when the port is in use or the address is not of this machine
 */
export async function serveStatus(
  address: Address,
  health: () => Health,
  answerScrape: AnswerScrape,
): Promise<StatusServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?', 1)[0];
    const now = health();
    if (path === '/metrics') answerScrape(request, response);
    else if (path === '/health') answer(response, now.healthy ? 200 : 503, { status: now.healthy ? 'ok' : 'failed' });
    else if (path === '/ready')
      answer(response, now.ready ? 200 : 503, { status: now.ready ? 'ready' : 'not ready', degraded: now.degraded });
    else answer(response, 404, { error: 'there are /metrics, /health and /ready' });
  });
  server.listen(address.port, address.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    // Errors of the network stack carry a code.
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'EADDRINUSE' ? 'the port is in use; stop what uses it, or choose another' : message;
    throw new Error(`--http cannot listen on ${address.host}:${address.port}: ${reason}`, { cause: error });
  }
  // A listening TCP server has an address.
  const { port } = server.address() as AddressInfo;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return {
    url: `http://${host}:${port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}
