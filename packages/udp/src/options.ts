import type { Socket } from 'node:dgram';

/** What a UDP source or sink takes beside its config. */
export interface UdpOptions {
  /**
   * Called with each `node:dgram` socket once it is bound, before anything is read from or written to it: the way to whatever
   * has no config field, and to the port that the system chose. The connector closes the socket. A sink with an `address` per
   * message opens one socket per address family, when the first message needs it.
   */
  readonly onSocket?: (socket: Socket) => void;
}
