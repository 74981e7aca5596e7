import type { Socket } from 'node:dgram';
import { once } from 'node:events';

/** Closes a socket and resolves when its port is free. */
export async function closeSocket(socket: Socket): Promise<void> {
  const closed = once(socket, 'close');
  socket.close();
  await closed;
}
