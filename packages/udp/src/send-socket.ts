import { createSocket, type Socket, type SocketType } from 'node:dgram';
import { once } from 'node:events';
import type { ResolvedHost } from './address.js';
import type { UdpSinkSettings } from './config.js';
import { interfaceAddress } from './multicast.js';

/** Opens a socket for sending, not yet connected. Rejects with the system's error, and nothing stays open then. */
export async function openSendSocket(config: UdpSinkSettings, type: SocketType, signal: AbortSignal): Promise<Socket> {
  const socket = createSocket({
    type,
    // Addresses are resolved before they come here. Node's own look-up would take a turn of the event loop for each send.
    lookup: (ip, _options, callback) => callback(null, ip, type === 'udp4' ? 4 : 6),
  });
  try {
    const listening = once(socket, 'listening', { signal });
    socket.bind({ address: type === 'udp4' ? '0.0.0.0' : '::' });
    await listening;
    socket.setBroadcast(config.broadcast);
    socket.setMulticastTTL(config.multicastTtl);
    socket.setMulticastLoopback(config.multicastLoopback);
    if (config.ttl !== undefined) socket.setTTL(config.ttl);
    if (config.sendBufferBytes !== undefined) socket.setSendBufferSize(config.sendBufferBytes);
    if (config.multicastInterface !== undefined) {
      socket.setMulticastInterface(interfaceAddress(config.multicastInterface, type));
    }
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/**
 * Connects a socket, which makes sends cheaper and lets the system tell when nobody listens there. Rejects with the system's
 * error, and the socket stays open.
 */
export async function connectSocket(socket: Socket, { ip }: ResolvedHost, port: number): Promise<void> {
  const connected = once(socket, 'connect');
  socket.connect(port, ip);
  await connected;
}
