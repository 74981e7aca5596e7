import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/**
 * Below the ports that operating systems give to outgoing connections: a port from that range could be taken by any client
 * on the machine in the moment in which its server restarts.
 */
const lowest = 20_000;
const highest = 32_000;
const attempts = 50;

/** Has a server listen on a free port that stays free of outgoing connections while the server is down. */
export async function listenOnFreePort(server: Server, host: string): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest));
    try {
      server.listen(port, host);
      await once(server, 'listening');
      return port;
    } catch (error) {
      if (attempt === attempts) throw new Error(`no free port between ${lowest} and ${highest}`, { cause: error });
    }
  }
}

/**
 * Ports that are free now. Another process may take one before the caller does, so a caller that then finds it taken asks
 * again.
 */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  try {
    return await Promise.all(servers.map((server) => listenOnFreePort(server, '0.0.0.0')));
  } finally {
    for (const server of servers) server.close();
  }
}
