import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { classifyUdpError } from '../src/error.js';

/** As Node makes them, recorded from Node 24 on Linux. */
function native(syscall: string, code: string, more: object = {}): Error {
  return Object.assign(new Error(`${syscall} ${code}`), { errno: -1, syscall, code, ...more });
}

const at = { address: '192.0.2.1', port: 7200 };

test.each([
  [native('bind', 'EADDRINUSE', at), 'config_invalid', '192.0.2.1:7200 is in use'],
  [native('bind', 'EACCES', { address: '0.0.0.0', port: 53 }), 'permission_denied', '0.0.0.0:53'],
  [native('bind', 'EADDRNOTAVAIL', { address: '2001:db8::1', port: 7 }), 'config_invalid', '[2001:db8::1]:7'],
  [native('bind', 'ENOTSUP', at), 'unsupported', 'bind ENOTSUP'],
  [native('addMembership', 'ENODEV'), 'config_invalid', 'multicast group'],
  [native('addMembership', 'EADDRINUSE'), 'config_invalid', 'twice'],
  [native('addSourceSpecificMembership', 'EADDRNOTAVAIL'), 'config_invalid', 'multicast group'],
  [native('connect', 'ENETUNREACH', at), 'not_connected', '192.0.2.1:7200 cannot be reached'],
  [native('connect', 'EACCES', { address: '192.0.2.255', port: 9 }), 'permission_denied', 'broadcast: true'],
  [native('send', 'EACCES', { address: '192.0.2.255', port: 9 }), 'permission_denied', 'broadcast: true'],
  [native('send', 'EPERM', at), 'permission_denied', 'firewall'],
  [native('send', 'EHOSTUNREACH', at), 'not_connected', 'EHOSTUNREACH'],
  [native('send', 'ENETDOWN', at), 'not_connected', 'ENETDOWN'],
  [native('send', 'ECONNREFUSED'), 'not_connected', 'nobody listens'],
  [native('recvmsg', 'ECONNREFUSED'), 'not_connected', 'nobody listens'],
  [native('send', 'EMSGSIZE', at), 'message_too_large', 'one datagram'],
  [native('send', 'EINVAL', { address: 'fe80::1', port: 9 }), 'message_invalid', '[fe80::1]:9'],
  [native('send', 'ENOBUFS', at), 'resource_exhausted', 'ENOBUFS'],
  [native('send', 'EAGAIN', at), 'resource_exhausted', 'EAGAIN'],
  [native('bind', 'EMFILE'), 'resource_exhausted', 'EMFILE'],
  [native('getaddrinfo', 'ENOTFOUND', { hostname: 'nosuch.invalid' }), 'not_connected', '"nosuch.invalid"'],
  [native('getaddrinfo', 'EAI_AGAIN', { hostname: 'slow.example' }), 'not_connected', '"slow.example"'],
])('%s is %s', (error, code, text) => {
  expect(classifyUdpError(error)).toEqual({ code, message: expect.stringContaining(text) });
});

test('what is not in the table stays unknown', () => {
  expect(classifyUdpError(native('send', 'EWEIRD'))).toBeUndefined();
  expect(classifyUdpError(new Error('plain'))).toBeUndefined();
  expect(classifyUdpError('text')).toBeUndefined();
});

test('a real bind error carries the fields that the table reads', async () => {
  const socket = createSocket('udp4');
  const failed = once(socket, 'error');
  socket.bind(7200, '192.0.2.99');
  const [error] = await failed;
  socket.close();
  expect(classifyUdpError(error)).toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('192.0.2.99:7200'),
  });
});
