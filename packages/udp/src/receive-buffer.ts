import type { Socket } from 'node:dgram';

/**
 * Asks for a receive buffer of `wanted` bytes, settles for what the system allows, and returns what was granted.
 *
 * Linux cuts the request to `net.core.rmem_max` without a word and reports twice the size, because it counts its own
 * bookkeeping (https://man7.org/linux/man-pages/man7/socket.7.html). BSD and macOS refuse a size above their limit.
 */
export function growReceiveBuffer(socket: Socket, wanted: number): number {
  for (let asked = wanted; asked > 0; asked = Math.floor(asked / 2)) {
    try {
      socket.setRecvBufferSize(asked);
      break;
    } catch (error) {
      if (asked === 1) throw error;
    }
  }
  const reported = socket.getRecvBufferSize();
  return process.platform === 'linux' ? reported / 2 : reported;
}

/** Tells the user that the system granted less than the config asks for, and what to do. */
export function smallBufferNotice(wanted: number, granted: number): string {
  const limit = process.platform === 'linux' ? 'net.core.rmem_max' : 'kern.ipc.maxsockbuf';
  return (
    `the system granted a receive buffer of ${granted} bytes instead of ${wanted}, so bursts are lost earlier; ` +
    `raise the limit with "sysctl -w ${limit}=${wanted}", or lower recvBufferBytes`
  );
}
