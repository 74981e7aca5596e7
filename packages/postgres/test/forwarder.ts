import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Where something listens. */
interface Place {
  readonly host: string;
  readonly port: number;
}

/** An address of this machine that leads to a server elsewhere. */
export interface Forwarder {
  readonly port: number;
  /** Ends its connections and takes no more. */
  close(): Promise<void>;
}

/** Listens at `here` and forwards to `there`. */
export async function forwarder(there: Place, here: Place): Promise<Forwarder> {
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const further = connect(there);
    for (const [socket, other] of [
      [client, further],
      [further, client],
    ] as const) {
      open.add(socket);
      socket.pipe(other);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
    }
  });
  server.listen(here.port, here.host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port, // it listens on TCP
    close: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
