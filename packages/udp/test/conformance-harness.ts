import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Carries, Harness, NativeMessage, SinkPlace, SourcePlace } from '@sluice/testkit';
import { udp } from '../src/connector.js';
import { openPeer } from './harness.js';

const carries: Carries = {
  key: false,
  // Its headers are the sender's address, not what was sent.
  headers: 'none',
  timestamp: false,
  nullPayload: false,
  emptyPayload: true,
  anyByte: true,
  maxPayloadBytes: 65_507,
};

const noCredentials = { because: 'UDP has no credentials' };
const noConnection = { because: 'UDP has no connections' };
const noPositions = { because: 'UDP keeps nothing' };
const host = '127.0.0.1';
const quietMs = 30;

/** The harness of UDP on the loopback device, where a datagram is lost only when a buffer is full. */
export function udpHarness(): Harness {
  return {
    connector: udp.descriptor,
    module: { url: import.meta.resolve('@sluice/udp'), name: 'udp' },
    source: {
      carries,
      missing: { because: 'a port is there for whoever binds it' },
      wrongCredentials: noCredentials,
      unreachable: noConnection,
      livenessTimeoutMs: { because: 'nobody watches who receives' },
      createPlace: sourcePlace,
    },
    sink: {
      carries,
      missing: { because: 'a datagram is sent whether or not somebody receives it' },
      wrongCredentials: noCredentials,
      unreachable: noConnection,
      refused: () => ({ payload: Buffer.alloc(carries.maxPayloadBytes + 1) }),
      unkillable: { because: 'UDP may lose datagrams, also of a process that nobody kills' },
      isCommitRequest: noConnection,
      createPlace: sinkPlace,
    },
    faults: noConnection,
    secrets: [],
    close: () => Promise.resolve(),
  };
}

/** A port that nobody has now. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, host);
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

async function sourcePlace(): Promise<SourcePlace> {
  const port = await freePort();
  const peer = await openPeer();
  return {
    config: { port, host },
    partitions: [''],
    async produce(messages) {
      for (const { payload } of messages) await peer.send(payload ?? new Uint8Array(), port);
    },
    committed: noPositions,
    discard: noPositions,
    addPartition: { because: 'a port is one partition' },
    takeAway: { because: 'a bound port belongs to its process' },
    remove: async () => await peer[Symbol.asyncDispose](),
  };
}

async function sinkPlace(): Promise<SinkPlace> {
  const peer = await openPeer();
  return {
    config: { host, port: peer.port },
    async stored() {
      // What was sent is on its way through the kernel; nothing tells when the last datagram has come.
      for (let before = -1; before < peer.received.length; await delay(quietMs)) before = peer.received.length;
      return [peer.received.map(({ payload }): NativeMessage => ({ payload }))];
    },
    remove: async () => await peer[Symbol.asyncDispose](),
  };
}
