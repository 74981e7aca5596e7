import { readdir, readFile, readlink } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { SocketAddress } from 'node:net';
import { endianness } from 'node:os';

/** One socket of `/proc/net/udp` or `/proc/net/udp6` (https://docs.kernel.org/networking/proc_net_tcp.html). */
export interface UdpTableRow {
  readonly address: string;
  readonly port: number;
  readonly inode: string;
  /** Datagrams that the kernel dropped because the socket's receive buffer was full. */
  readonly drops: number;
}

/** Reads how many datagrams the kernel has dropped for a socket so far; undefined when it could not be read this time. */
export type KernelDrops = () => Promise<number | undefined>;

/**
 * Finds a bound socket of this process in the kernel's table. Undefined where the system has no such table (only Linux has),
 * or when several sockets of this process share the address, so that none can be told apart.
 */
export async function kernelDropsOf(bound: AddressInfo): Promise<KernelDrops | undefined> {
  if (process.platform !== 'linux') return undefined;
  const path = bound.family === 'IPv4' ? '/proc/net/udp' : '/proc/net/udp6';
  const address = bound.address.replace(/%.*$/, '');
  const rows = (await readTable(path)).filter((row) => row.port === bound.port && row.address === address);
  const own = rows.length > 1 ? await ownSockets() : undefined;
  const [row, ...others] = own === undefined ? rows : rows.filter(({ inode }) => own.has(inode));
  if (row === undefined || others.length > 0) return undefined;
  return async () => (await readTable(path)).find(({ inode }) => inode === row.inode)?.drops;
}

/** Rows of the kernel's table, in its order. */
export function parseUdpTable(text: string): UdpTableRow[] {
  const rows: UdpTableRow[] = [];
  for (const line of text.split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/);
    const [address, port] = fields[1]?.split(':') ?? [];
    const inode = fields[9];
    if (address === undefined || port === undefined || inode === undefined) continue;
    rows.push({
      address: decodeAddress(address),
      port: Number.parseInt(port, 16),
      inode,
      drops: Number(fields.at(-1)),
    });
  }
  return rows;
}

/** The table prints addresses as words of 32 bits in the byte order of the machine. */
function decodeAddress(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  if (endianness() === 'LE') bytes.swap32();
  if (bytes.length === 4) return bytes.join('.');
  const address = bytes.toString('hex').match(/.{4}/g)?.join(':') ?? '';
  return new SocketAddress({ address, family: 'ipv6' }).address;
}

async function readTable(path: string): Promise<UdpTableRow[]> {
  // Unreadable (no procfs in a sandbox, no descriptor left) is the same to the caller as a system that does not tell.
  const text = await readFile(path, 'latin1').catch(() => '');
  return parseUdpTable(text);
}

/** Inodes of the sockets of this process. */
async function ownSockets(): Promise<ReadonlySet<string>> {
  const folder = '/proc/self/fd';
  // A descriptor may close between listing and reading it.
  const links = (await readdir(folder)).map((fd) => readlink(`${folder}/${fd}`).catch(() => ''));
  const inodes = (await Promise.all(links)).map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1]);
  return new Set(inodes.filter((inode) => inode !== undefined));
}
