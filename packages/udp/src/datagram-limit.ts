import type { SocketType } from 'node:dgram';

/** Most bytes that a datagram over IPv4 carries: 65,535 less 20 of IP header and 8 of UDP header. */
const maxIpv4Bytes = 65_507;

/** Most bytes that a datagram over IPv6 carries: 65,535 less 8 of UDP header; the IPv6 header does not count. */
export const maxIpv6Bytes = 65_527;

/** Most bytes that a datagram of this kind of socket carries. */
export function maxDatagramBytes(type: SocketType): number {
  return type === 'udp4' ? maxIpv4Bytes : maxIpv6Bytes;
}
