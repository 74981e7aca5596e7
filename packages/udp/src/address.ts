import type { SocketType } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { ConnectorError, createMessage, type Template } from '@sluice/core/driver';

/** Where a datagram goes, as people write it. */
export interface Address {
  /** A name or an IP address, without brackets. */
  readonly host: string;
  readonly port: number;
}

/** An IP address and the kind of socket that reaches it. */
export interface ResolvedHost {
  readonly ip: string;
  readonly type: SocketType;
}

/**
 * Splits `host:port` at the last colon. An IPv6 address may stand in brackets, as in a URL, or without.
 *
 * @throws {ConnectorError} `message_invalid` that says what is wrong
 */
export function parseAddress(text: string): Address {
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, Math.max(colon, 0)).replace(/^\[(.*)\]$/, '$1');
  const digits = text.slice(colon + 1);
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : 0;
  if (host === '' || port < 1 || port > 65_535) {
    throw new ConnectorError('message_invalid', `"${text}" is no address: write host:port with a port from 1 to 65535`);
  }
  return { host, port };
}

/** The address that a template gives for every message; undefined when it takes fields of the message. */
export function fixedAddress(template: Template): Address | undefined {
  return template.fields.length === 0 ? parseAddress(template.render(createMessage({}))) : undefined;
}

/** The IP address of a host; a name is looked up and its first address taken. Rejects with the resolver's error. */
export async function resolveHost(host: string): Promise<ResolvedHost> {
  const ip = isIP(host.replace(/%.*$/, '')) === 0 ? (await lookup(host)).address : host;
  return { ip, type: ip.includes(':') ? 'udp6' : 'udp4' };
}

/** Whether an IP address is one of a multicast group: 224.0.0.0/4 or ff00::/8. */
export function isMulticast(ip: string): boolean {
  const groups = new BlockList();
  groups.addSubnet('224.0.0.0', 4, 'ipv4');
  groups.addSubnet('ff00::', 8, 'ipv6');
  return isIP(ip) !== 0 && groups.check(ip, isIP(ip) === 4 ? 'ipv4' : 'ipv6');
}
