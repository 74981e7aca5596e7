import { isIP } from 'node:net';
import { isConnectorError, parseTemplate, z } from '@sluice/core/driver';
import { fixedAddress, isMulticast } from './address.js';
import { maxIpv6Bytes } from './datagram-limit.js';

/** A multicast group to receive. */
export interface MulticastGroup {
  /** `239.1.2.3` or `ff02::1234`, of the family of `host`. */
  readonly group: string;
  /** Name of the interface to join on, or one of its addresses. Left out, the system chooses by its routes. */
  readonly interface?: string | undefined;
  /** Receive only what this address sends to the group (source-specific multicast). Left out, what anybody sends. */
  readonly source?: string | undefined;
}

/** A parsed config of the source. */
export interface UdpSourceSettings {
  /** Port to receive on. 0 lets the system choose one, which a notice tells. */
  readonly port: number;
  /**
   * Address or name to receive on; a name is looked up once, at open. Default `0.0.0.0`: every IPv4 address of this machine,
   * broadcasts included. `::` is every address of both families. On Linux and macOS the address of a multicast group
   * receives nothing but what is sent to that group.
   */
  readonly host: string;
  /** Whether `::` leaves IPv4 out. Default false. */
  readonly ipv6Only: boolean;
  /**
   * Whether other sockets may receive on the same port, of which the system picks one by the sender of a datagram
   * (SO_REUSEPORT). All of them must say so, and run as the same user. Default false. Fails with `unsupported` where the
   * system has no such thing (macOS, Windows).
   */
  readonly reusePort: boolean;
  /**
   * Whether several sockets may bind the same port without sharing its load (SO_REUSEADDR): each gets a copy of what is sent
   * to a multicast group, and one of them everything else. Default false.
   */
  readonly reuseAddress: boolean;
  /** Groups to join. Default none. */
  readonly multicast: readonly MulticastGroup[];
  /**
   * What the kernel buffers while this process is busy, in bytes. Default 8 MiB, with which a burst of some ten thousand small
   * datagrams survives. Systems cap it (Linux: `net.core.rmem_max`); a notice says so when less was granted.
   */
  readonly recvBufferBytes: number;
  /**
   * A datagram above it is invalid (`message_too_large`) and goes whole to the dead letters. Default 65,527, the most that UDP
   * carries, so none is.
   */
  readonly maxMessageBytes: number;
  /**
   * Payload bytes held while the pipeline is behind; what arrives above it is dropped and counted. Default 8 MiB. One datagram
   * is held always.
   */
  readonly queueMaxBytes: number;
  /**
   * Datagrams held while the pipeline is behind, whatever their size. Default 20,000, which is about 20 MiB of memory,
   * because Node spends about 1 KiB on each.
   */
  readonly queueMaxMessages: number;
  /**
   * How long datagrams are gathered into a batch after the one before, in milliseconds. A datagram that comes after a pause
   * goes on at once. Default 5. 0: no gathering, which costs the pipeline more for each datagram.
   */
  readonly gatherMs: number;
}

/** A parsed config of the sink. */
export interface UdpSinkSettings {
  /** Name or address to send to; a name is looked up once, at open. Together with `port`, or `address` instead of both. */
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  /**
   * `host:port` as a template, for a destination that depends on the message: `{headers.address}:{headers.port}` answers the
   * sender of what a UDP source read. IPv6 addresses may stand in brackets. A name is looked up once and then remembered.
   */
  readonly address?: string | undefined;
  /** Whether sending to broadcast addresses is allowed. Default false. */
  readonly broadcast: boolean;
  /** How many routers a datagram may pass. Left out, the system's default (64 as a rule). */
  readonly ttl?: number | undefined;
  /** How many routers a multicast datagram may pass. Default 1: it stays in the local network. */
  readonly multicastTtl: number;
  /** Whether members of the group on this machine get what is sent, too. Default true. */
  readonly multicastLoopback: boolean;
  /** Name of the interface that multicast datagrams leave by, or one of its addresses. Left out, the system chooses. */
  readonly multicastInterface?: string | undefined;
  /** What the kernel buffers for sending, in bytes. Left out, the system's default. */
  readonly sendBufferBytes?: number | undefined;
  /**
   * A payload above it is invalid (`message_too_large`). Default: what the address family carries, 65,507 bytes over IPv4 and
   * 65,527 over IPv6. 1,400 keeps datagrams whole on usual networks; larger ones travel in fragments.
   */
  readonly maxMessageBytes?: number | undefined;
}

/** Fields that have no default. */
type Given<Settings, Required extends keyof Settings> = Pick<Settings, Required> & {
  readonly [Field in keyof Settings]?: Settings[Field] | undefined;
};

/** Config of the source; see {@link UdpSourceSettings} for each field. */
export type UdpSourceConfig = Given<UdpSourceSettings, 'port'>;

/** Config of the sink; see {@link UdpSinkSettings} for each field. */
export type UdpSinkConfig = Given<UdpSinkSettings, never>;

const maxBufferBytes = 1024 * 1024 * 1024;
const mebibyte = 1024 * 1024;

const host = z.string().regex(/^[^\s[\]]+$/, 'must be a name or an IP address without brackets');

const group: z.ZodType<MulticastGroup, MulticastGroup> = z.strictObject({
  group: z.string().refine(isMulticast, 'must be in 224.0.0.0/4 or ff00::/8').describe('Address of the group.'),
  interface: z
    .string()
    .min(1)
    .optional()
    .describe('Name of the interface to join on, or one of its addresses. Left out, the system chooses by its routes.'),
  source: z
    .union([z.ipv4(), z.ipv6()])
    .optional()
    .describe('Receive only what this address sends to the group (source-specific multicast).'),
});

/** Schema of the source's config. */
export const sourceConfig: z.ZodType<UdpSourceSettings, UdpSourceConfig> = z
  .strictObject({
    port: z
      .int()
      .min(0)
      .max(65_535)
      .describe('Port to receive on. 0 lets the system choose one, which a notice tells.'),
    host: host
      .default('0.0.0.0')
      .describe('Address or name to receive on. `0.0.0.0` is every IPv4 address, `::` every address of both families.'),
    ipv6Only: z.boolean().default(false).describe('Whether `::` leaves IPv4 out.'),
    reusePort: z
      .boolean()
      .default(false)
      .describe('Whether several processes share the port, each getting a part of the datagrams (SO_REUSEPORT).'),
    reuseAddress: z
      .boolean()
      .default(false)
      .describe('Whether several sockets bind the port, each getting a copy of multicast datagrams (SO_REUSEADDR).'),
    multicast: z.array(group).default([]).describe('Multicast groups to join.'),
    recvBufferBytes: z
      .int()
      .min(1)
      .max(maxBufferBytes)
      .default(8 * mebibyte)
      .describe(
        'What the kernel buffers while the process is busy. Systems cap it; a notice says when less was granted.',
      ),
    maxMessageBytes: z
      .int()
      .min(1)
      .max(maxIpv6Bytes)
      .default(maxIpv6Bytes)
      .describe('A datagram above it is invalid. The default is the most that UDP carries, so none is.'),
    queueMaxBytes: z
      .int()
      .min(1)
      .max(maxBufferBytes)
      .default(8 * mebibyte)
      .describe('Payload bytes held while the pipeline is behind. What arrives above it is dropped and counted.'),
    queueMaxMessages: z
      .int()
      .min(1)
      .max(10_000_000)
      .default(20_000)
      .describe('Datagrams held while the pipeline is behind; each costs about 1 KiB beside its payload.'),
    gatherMs: z
      .int()
      .min(0)
      .max(1000)
      .default(5)
      .describe(
        'How long datagrams are gathered after the batch before. One that comes after a pause goes on at once.',
      ),
  })
  .superRefine(({ host: at, multicast }, context) => {
    for (const [index, member] of multicast.entries()) {
      if (isIP(at) === 0 || !isMulticast(member.group) || isIP(at) === isIP(member.group)) continue;
      const path = ['multicast', index, 'group'];
      const message = `must be of the same family as host "${at}"; set host to "${isIP(member.group) === 4 ? '0.0.0.0' : '::'}"`;
      context.addIssue({ code: 'custom', path, message });
    }
  })
  .meta({ examples: [{ port: 7200 }] });

/** Schema of the sink's config. */
export const sinkConfig: z.ZodType<UdpSinkSettings, UdpSinkConfig> = z
  .strictObject({
    host: host.optional().describe('Name or address to send to, together with `port`.'),
    port: z.int().min(1).max(65_535).optional().describe('Port to send to, together with `host`.'),
    address: z
      .string()
      .superRefine((text, context) => {
        const problem = addressProblem(text);
        if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
      })
      .optional()
      .describe('Instead of `host` and `port`: a template such as `{headers.address}:{headers.port}`.'),
    broadcast: z.boolean().default(false).describe('Whether sending to broadcast addresses is allowed.'),
    ttl: z
      .int()
      .min(1)
      .max(255)
      .optional()
      .describe("How many routers a datagram may pass. Left out, the system's default."),
    multicastTtl: z
      .int()
      .min(0)
      .max(255)
      .default(1)
      .describe('How many routers a multicast datagram may pass. 1 keeps it in the local network.'),
    multicastLoopback: z.boolean().default(true).describe('Whether members of the group on this machine get it, too.'),
    multicastInterface: z
      .string()
      .min(1)
      .optional()
      .describe('Name of the interface that multicast datagrams leave by, or one of its addresses.'),
    sendBufferBytes: z
      .int()
      .min(1)
      .max(maxBufferBytes)
      .optional()
      .describe("What the kernel buffers for sending. Left out, the system's default."),
    maxMessageBytes: z
      .int()
      .min(1)
      .max(maxIpv6Bytes)
      .optional()
      .describe('A payload above it is invalid. Left out: 65507 over IPv4, 65527 over IPv6.'),
  })
  .superRefine((config, context) => {
    const both = config.host !== undefined && config.port !== undefined;
    const either = config.host !== undefined || config.port !== undefined;
    if (config.address === undefined ? both : !either) return;
    context.addIssue({ code: 'custom', path: [], message: 'give either host and port, or address' });
  })
  .meta({ examples: [{ host: '192.0.2.7', port: 7300 }] });

function addressProblem(text: string): string | undefined {
  try {
    fixedAddress(parseTemplate(text));
    return undefined;
  } catch (error) {
    if (isConnectorError(error)) return error.message;
    throw error;
  }
}
