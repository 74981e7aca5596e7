import type { Socket, SocketType } from 'node:dgram';
import type { Message } from '@sluice/core/driver';
import { type Address, resolveHost } from './address.js';
import { closeSocket } from './close-socket.js';
import type { UdpSinkSettings } from './config.js';
import { maxDatagramBytes } from './datagram-limit.js';
import type { UdpOptions } from './options.js';
import { connectSocket, openSendSocket } from './send-socket.js';

/** Where a datagram goes. */
export interface Destination {
  readonly socket: Socket;
  /** Most bytes that a payload may have. */
  readonly maxBytes: number;
  /** Given with each send; undefined when the socket is connected. */
  readonly to: { readonly ip: string; readonly port: number } | undefined;
}

/** The destination of a message of one write by its index, or why it has none. */
export type DestinationOf = (index: number) => Destination | Error;

/** Knows where messages go. */
export interface Destinations {
  /** Finds the destinations of one write. Throws when the socket broke since the last one. */
  of(messages: readonly Message[], signal: AbortSignal): DestinationOf | Promise<DestinationOf>;
  /** Closes the sockets. */
  close(): Promise<void>;
}

/** Most bytes that the config lets a payload have on this kind of socket. */
export function maxPayloadBytes(config: UdpSinkSettings, type: SocketType): number {
  return Math.min(config.maxMessageBytes ?? Number.POSITIVE_INFINITY, maxDatagramBytes(type));
}

/** One destination for all messages: a connected socket. */
export async function fixedDestination(
  address: Address,
  config: UdpSinkSettings,
  { onSocket }: UdpOptions,
  signal: AbortSignal,
): Promise<Destinations> {
  const host = await resolveHost(address.host);
  const socket = await openSendSocket(config, host.type, signal);
  try {
    await connectSocket(socket, host, address.port);
    onSocket?.(socket);
  } catch (error) {
    await closeSocket(socket);
    throw error;
  }
  let broken: Error | undefined;
  socket.on('error', (error) => {
    broken = error;
  });
  const destination = { socket, maxBytes: maxPayloadBytes(config, host.type), to: undefined };
  return {
    of: () => {
      const error = broken;
      broken = undefined;
      if (error !== undefined) throw error;
      return () => destination;
    },
    close: () => closeSocket(socket),
  };
}
