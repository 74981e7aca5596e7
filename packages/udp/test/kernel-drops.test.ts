import { expect, test } from 'vitest';
import { parseUdpTable } from '../src/kernel-drops.js';

// Both recorded on Linux 6.18, little-endian.
const udp4 = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops            
14501: 0100007F:1C20 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 53370 2 00000000da8456e3 18        
14504: 00000000:1C23 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 53373 2 00000000c4c16fef 0         
`;
const udp6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
14502: 00000000000000000000000001000000:1C21 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 53371 2 00000000b58973b7 7
14503: 00000000000000000000000000000000:1C22 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 53372 2 00000000c1020f1a 0
14505: 0000000000000000FFFF00000100007F:1C24 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 53374 2 00000000b2d9cf47 4294967295
`;

test('sockets of IPv4 are read from the table', () => {
  expect(parseUdpTable(udp4)).toEqual([
    { address: '127.0.0.1', port: 7200, inode: '53370', drops: 18 },
    { address: '0.0.0.0', port: 7203, inode: '53373', drops: 0 },
  ]);
});

test('sockets of IPv6 are read from the table, with addresses as Node writes them', () => {
  expect(parseUdpTable(udp6)).toEqual([
    { address: '::1', port: 7201, inode: '53371', drops: 7 },
    { address: '::', port: 7202, inode: '53372', drops: 0 },
    { address: '::ffff:127.0.0.1', port: 7204, inode: '53374', drops: 4_294_967_295 },
  ]);
});

test('a table without sockets, or no table, has no rows', () => {
  expect(parseUdpTable(udp4.slice(0, udp4.indexOf('\n') + 1))).toEqual([]);
  expect(parseUdpTable('')).toEqual([]);
});
