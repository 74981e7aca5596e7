import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { resolveHost } from './address.js';
import type { UdpSourceSettings } from './config.js';
import { joinGroups } from './multicast.js';

/** Binds a socket and joins its groups. Rejects with the system's error, and nothing stays open then. */
export async function bindSocket(config: UdpSourceSettings, signal: AbortSignal): Promise<Socket> {
  const { ip, type } = await resolveHost(config.host);
  const socket = createSocket({
    type,
    reuseAddr: config.reuseAddress,
    reusePort: config.reusePort,
    ipv6Only: config.ipv6Only,
  });
  try {
    const listening = once(socket, 'listening', { signal });
    socket.bind({ port: config.port, address: ip });
    await listening;
    joinGroups(socket, type, config.multicast);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}
