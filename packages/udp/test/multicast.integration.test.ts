import { Socket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { expect, onTestFinished, test, vi } from 'vitest';
import { batchOf, never, openPeer, openSink, openSource, readTexts } from './harness.js';

/** Name of the loopback interface: `lo` on Linux, `lo0` on macOS. */
const loopback =
  Object.entries(networkInterfaces()).find(([, addresses]) => addresses?.some((at) => at.internal))?.[0] ?? 'lo';

test('several groups of IPv4 are joined on an interface that is given by name or address', async () => {
  const multicast = [
    { group: '239.255.70.1', interface: loopback },
    { group: '239.255.70.2', interface: '127.0.0.1' },
  ];
  await using source = await openSource({ host: '0.0.0.0', multicast });
  await using peer = await openPeer();
  peer.socket.setMulticastInterface('127.0.0.1');
  for (const { group } of multicast) await peer.send(group, source.port, group);
  expect(await readTexts(source.driver, 2)).toEqual(['239.255.70.1', '239.255.70.2']);
});

test('a source that is bound to the address of a group receives nothing else', async () => {
  const group = '239.255.70.3';
  await using source = await openSource({ host: group, multicast: [{ group, interface: loopback }] });
  await using peer = await openPeer();
  peer.socket.setMulticastInterface('127.0.0.1');
  await peer.send('to the port', source.port);
  await peer.send('to the group', source.port, group);
  expect(await readTexts(source.driver, 1)).toEqual(['to the group']);
});

test('a group with a source receives from that source alone', async () => {
  const mine = { group: '232.1.70.1', interface: loopback, source: '127.0.0.1' };
  const other = { group: '232.1.70.2', interface: loopback, source: '192.0.2.77' };
  await using source = await openSource({ host: '0.0.0.0', multicast: [other, mine] });
  await using peer = await openPeer();
  peer.socket.setMulticastInterface('127.0.0.1');
  await peer.send('not wanted', source.port, other.group);
  await peer.send('wanted', source.port, mine.group);
  expect(await readTexts(source.driver, 1)).toEqual(['wanted']);
});

test('a group of IPv6 is joined on the interface that is named', async () => {
  await using _source = await openSource({ host: '::', multicast: [{ group: 'ff02::7001', interface: loopback }] });
  // Loopback carries no multicast of IPv6, so the kernel is asked instead: https://man7.org/linux/man-pages/man5/proc_pid_net.5.html
  const memberships = await readFile('/proc/net/igmp6', 'utf8');
  expect(memberships).toMatch(new RegExp(`^\\d+ +${loopback} +ff020000000000000000000000007001 `, 'm'));
});

test('every socket with reuseAddress gets its copy of what is sent to a group', async () => {
  const group = '239.255.70.4';
  const config = { host: '0.0.0.0', reuseAddress: true, multicast: [{ group, interface: loopback }] };
  await using first = await openSource(config);
  await using second = await openSource({ ...config, port: first.port });
  await using sink = await openSink({ host: group, port: first.port, multicastInterface: '127.0.0.1' });
  await sink.write(batchOf([{ payload: Buffer.from('copy') }]), never);
  for (const { driver } of [first, second]) expect(await readTexts(driver, 1)).toEqual(['copy']);
});

test('options for sending reach the socket', async () => {
  // What leaves this machine cannot be observed from inside of it.
  const calls = (['setMulticastLoopback', 'setMulticastTTL', 'setTTL', 'setMulticastInterface'] as const).map(
    (name) => {
      const spy = vi.spyOn(Socket.prototype, name);
      onTestFinished(() => spy.mockRestore());
      return spy;
    },
  );
  const options = { multicastLoopback: false, multicastTtl: 7, ttl: 9, multicastInterface: loopback };
  const sink = await openSink({ host: '::1', port: 9, ...options });
  await sink.close();
  expect(calls.map((spy) => spy.mock.calls)).toEqual([[[false]], [[7]], [[9]], [[`::%${loopback}`]]]);
});

test('an interface that does not exist is named with those that do', async () => {
  const multicast = [{ group: '239.255.70.6', interface: 'nosuch0' }];
  await expect(openSource({ host: '0.0.0.0', multicast })).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringMatching(new RegExp(`"nosuch0".*${loopback}`)),
  });
  await expect(openSink({ host: 'ff02::7002', port: 1, multicastInterface: 'nosuch0' })).rejects.toMatchObject({
    code: 'config_invalid',
  });
});
