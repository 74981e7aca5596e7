import type { Socket, SocketType } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { ConnectorError } from '@sluice/core/driver';
import type { MulticastGroup } from './config.js';

/** Joins the groups. Throws the system's error, or `config_invalid` for an interface that does not exist. */
export function joinGroups(socket: Socket, type: SocketType, groups: readonly MulticastGroup[]): void {
  for (const { group, source, interface: named } of groups) {
    const at = named === undefined ? undefined : interfaceAddress(named, type);
    if (source === undefined) socket.addMembership(group, at);
    else socket.addSourceSpecificMembership(source, group, at);
  }
}

/**
 * An interface, given by its name or by one of its addresses, as Node wants it: an IPv4 address, or `::%name`. Node itself
 * takes the system's default for an IPv6 interface that does not exist, so existence is checked here.
 *
 * @throws {ConnectorError} `config_invalid` with the interfaces that there are
 */
export function interfaceAddress(named: string, type: SocketType): string {
  const family = type === 'udp4' ? 'IPv4' : 'IPv6';
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    const found = addresses.find((at) => at.family === family && (at.address === named || name === named));
    if (found?.family === 'IPv4') return found.address;
    if (found?.family === 'IPv6') return `::%${process.platform === 'win32' ? found.scopeid : name}`;
  }
  const known = Object.keys(networkInterfaces()).join(', ');
  throw new ConnectorError(
    'config_invalid',
    `no interface "${named}" with an ${family} address is up; there are ${known}`,
  );
}
