import type { Classified, Classify, ErrorCode } from '@sluice/core/driver';

/** What Node's errors of sockets and name look-ups carry. */
interface SystemFailure {
  readonly code: string;
  readonly message: string;
  readonly syscall?: string;
  readonly address?: string;
  readonly port?: number;
  readonly hostname?: string;
}

type Row = readonly [code: ErrorCode, explain: (failure: SystemFailure) => string];

const noRoute: Row = [
  'not_connected',
  (e) => `${to(e)} cannot be reached (${e.code}); check the network and the routes`,
];
const badGroup: Row = [
  'config_invalid',
  (e) => `a multicast group could not be joined (${e.code}); check group and interface`,
];
const badAddress: Row = ['config_invalid', (e) => `the system refused the address or an option (${e.message})`];
const noSupport: Row = ['unsupported', (e) => `this system has no support for it (${e.message})`];
const full: Row = ['resource_exhausted', (e) => `the system is out of buffers, memory or descriptors (${e.code})`];

/** Rows by call and code, or by code alone. A row of the call goes first. */
const table: Readonly<Record<string, Row>> = {
  // Fatal on purpose: whoever holds the port rarely lets go within a retry, and the text helps at once.
  'bind EADDRINUSE': [
    'config_invalid',
    (e) => `${to(e)} is in use. Stop the other program, choose another port, or set reusePort in both`,
  ],
  'bind EACCES': [
    'permission_denied',
    (e) => `this user may not bind ${to(e)}. Choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE`,
  ],
  'bind EADDRNOTAVAIL': ['config_invalid', (e) => `no interface of this machine has the address ${to(e)}`],
  'bind EINVAL': badAddress,
  'connect EINVAL': badAddress,
  'connect EACCES': ['permission_denied', (e) => `${to(e)} is a broadcast address; set broadcast: true to send there`],
  'send EACCES': ['permission_denied', (e) => `${to(e)} is a broadcast address; set broadcast: true to send there`],
  'send EPERM': ['permission_denied', (e) => `a firewall of this machine forbids sending to ${to(e)}`],
  'send EINVAL': [
    'message_invalid',
    (e) => `${to(e)} cannot be sent to; a link-local IPv6 address needs its %interface`,
  ],
  'send EADDRNOTAVAIL': noRoute,
  'addMembership EADDRINUSE': [
    'config_invalid',
    () => 'a multicast group stands twice in the config for one interface',
  ],
  'addMembership EINVAL': badGroup,
  'addMembership ENODEV': badGroup,
  'addMembership EADDRNOTAVAIL': badGroup,
  'addMembership ENOBUFS': ['config_invalid', () => 'too many multicast groups; raise net.ipv4.igmp_max_memberships'],
  'addSourceSpecificMembership EINVAL': badGroup,
  'addSourceSpecificMembership ENODEV': badGroup,
  'addSourceSpecificMembership EADDRNOTAVAIL': badGroup,
  ECONNREFUSED: ['not_connected', (e) => `nobody listens on ${to(e)}: datagrams were refused`],
  ECONNRESET: ['not_connected', (e) => `nobody listens on ${to(e)}: datagrams were refused`],
  EHOSTDOWN: noRoute,
  EHOSTUNREACH: noRoute,
  ENETDOWN: noRoute,
  ENETUNREACH: noRoute,
  ENOTFOUND: ['not_connected', (e) => `the name ${to(e)} is not known to the resolver`],
  EAI_AGAIN: ['not_connected', (e) => `the resolver gave no answer for ${to(e)}`],
  EMSGSIZE: ['message_too_large', () => 'the payload is above what the system sends as one datagram'],
  EADDRNOTAVAIL: badAddress,
  EAFNOSUPPORT: noSupport,
  ENOPROTOOPT: noSupport,
  ENOTSUP: noSupport,
  EOPNOTSUPP: noSupport,
  EMFILE: full,
  ENFILE: full,
  ENOBUFS: full,
  ENOMEM: full,
  EAGAIN: full,
  ERR_SOCKET_BUFFER_SIZE: ['config_invalid', (e) => `the system refused the size of a socket buffer (${e.message})`],
  ERR_SOCKET_DGRAM_NOT_RUNNING: ['closed', () => 'the socket is closed'],
};

/** The table from Node's errors to codes. */
export const classifyUdpError: Classify = (error: unknown): Classified | undefined => {
  if (!isSystemFailure(error)) return undefined;
  const row = table[`${error.syscall} ${error.code}`] ?? table[error.code];
  return row && { code: row[0], message: row[1](error) };
};

/** Whether anything in Node's errors says `code`. */
export function hasCode(error: unknown, code: string): boolean {
  return isSystemFailure(error) && error.code === code;
}

function isSystemFailure(error: unknown): error is SystemFailure {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}

function to({ address, port, hostname }: SystemFailure): string {
  if (address === undefined) return hostname === undefined ? 'the address' : `"${hostname}"`;
  return port === undefined ? address : `${address.includes(':') ? `[${address}]` : address}:${port}`;
}
