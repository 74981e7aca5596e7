import type { ConnectorError } from '@sluice/core/driver';
import { expect, test } from 'vitest';
import { type UdpSinkConfig, type UdpSourceConfig, udp } from '../src/index.js';

function problems(make: () => unknown): string[] {
  try {
    make();
  } catch (error) {
    // Whatever else it throws has no issues, and the test fails on that.
    return (error as ConnectorError).issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  }
  return [];
}

const sourceProblems = (config: UdpSourceConfig): string[] => problems(() => udp.source(config));
const sinkProblems = (config: UdpSinkConfig): string[] => problems(() => udp.sink(config));

test('a source needs nothing but a port', () => {
  expect(udp.source({ port: 7200 }).config).toEqual({
    port: 7200,
    host: '0.0.0.0',
    ipv6Only: false,
    reusePort: false,
    reuseAddress: false,
    multicast: [],
    recvBufferBytes: 8_388_608,
    maxMessageBytes: 65_527,
    queueMaxBytes: 8_388_608,
    queueMaxMessages: 20_000,
    gatherMs: 5,
  });
});

test('a port outside of 0 to 65535 is refused', () => {
  expect(sourceProblems({ port: 65_536 })).toHaveLength(1);
  expect(sourceProblems({ port: -1 })).toHaveLength(1);
  expect(sinkProblems({ host: 'localhost', port: 0 })).toHaveLength(1);
});

test('a host in brackets is refused with the reason', () => {
  expect(sourceProblems({ port: 1, host: '[::1]' })).toEqual([
    'host: must be a name or an IP address without brackets',
  ]);
});

test('a multicast group must be a multicast address', () => {
  expect(
    sourceProblems({ port: 1, multicast: [{ group: '10.0.0.1' }, { group: '239.1.2.3' }, { group: 'nonsense' }] }),
  ).toEqual([
    'multicast.0.group: must be in 224.0.0.0/4 or ff00::/8',
    'multicast.2.group: must be in 224.0.0.0/4 or ff00::/8',
  ]);
});

test('a multicast group of another family than the host is refused with the host to set', () => {
  expect(sourceProblems({ port: 1, multicast: [{ group: 'ff02::1234' }] })).toEqual([
    'multicast.0.group: must be of the same family as host "0.0.0.0"; set host to "::"',
  ]);
});

test('a sink takes host and port', () => {
  expect(udp.sink({ host: 'localhost', port: 7300 }).config).toEqual({
    host: 'localhost',
    port: 7300,
    broadcast: false,
    multicastTtl: 1,
    multicastLoopback: true,
  });
});

test('a sink takes a template for the address', () => {
  expect(sinkProblems({ address: '{headers.address}:{headers.port}' })).toEqual([]);
  expect(sinkProblems({ address: '[::1]:5000' })).toEqual([]);
});

test.each<UdpSinkConfig>([
  {},
  { host: 'localhost' },
  { port: 1 },
  { host: 'localhost', port: 1, address: 'localhost:1' },
])('a sink with %o is told to give either host and port or address', (config) => {
  expect(sinkProblems(config)).toEqual([': give either host and port, or address']);
});

test('a broken address template is refused when the sink is made', () => {
  expect(sinkProblems({ address: '{headers.address' })).toHaveLength(1);
  expect(sinkProblems({ address: 'localhost' })).toEqual([
    'address: "localhost" is no address: write host:port with a port from 1 to 65535',
  ]);
});

test('an unknown key is refused with the nearest known one', () => {
  // @ts-expect-error the type refuses it, too
  expect(sourceProblems({ port: 1, recvBufferByte: 1 })).toEqual([expect.stringContaining('recvBufferBytes')]);
});

test('capabilities promise nothing that UDP does not give', () => {
  expect(udp.source({ port: 1 }).capabilities).toEqual({
    position: 'none',
    replayable: false,
    order: 'none',
    bounded: false,
    window: false,
    changes: false,
    keyed: false,
  });
  expect(udp.sink({ host: 'localhost', port: 1 }).capabilities).toMatchObject({ atomic: false, idempotent: false });
});
