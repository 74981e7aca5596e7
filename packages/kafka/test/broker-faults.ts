import type { Faults, KafkaServer } from '@sluice/testkit';

/** Ways to hurt a broker and the network to it, as the conformance suite wants them. */
export function brokerFaults(server: KafkaServer): Faults {
  const { proxy } = server;
  const interceptions: (() => void)[] = [];
  let broker: 'runs' | 'paused' | 'stopped' = 'runs';
  return {
    cut: () => proxy.cut(),
    hang: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const stop = proxy.intercept(() => promise.then(() => 'pass' as const));
      interceptions.push(() => {
        stop();
        resolve();
      });
    },
    slow: async (ms) => proxy.slow(ms),
    cutAfter: async (matches) => {
      const { promise: happened, resolve } = Promise.withResolvers<void>();
      let awaited: string | undefined;
      let cut = false;
      const stop = proxy.intercept(({ connection, direction, bytes }) => {
        if (cut) return 'pass';
        // Behind the length stands, in a request, what it is (4 bytes), and then in both the number that connects them.
        if (direction === 'toServer') {
          if (awaited === undefined && matches(bytes)) awaited = `${connection}/${bytes.readInt32BE(8)}`;
          return 'pass';
        }
        if (awaited !== `${connection}/${bytes.readInt32BE(4)}`) return 'pass';
        cut = true;
        resolve();
        return 'cut';
      });
      interceptions.push(stop);
      return { happened };
    },
    pause: async () => {
      await server.pause();
      broker = 'paused';
    },
    restart: () => server.restart(),
    stop: async () => {
      await server.kill();
      broker = 'stopped';
    },
    restore: async () => {
      for (const stop of interceptions.splice(0)) stop();
      if (broker === 'paused') await server.resume();
      if (broker === 'stopped') await server.restart();
      broker = 'runs';
      await proxy.restore();
      await answers(server);
    },
    connections: () => proxy.connections,
  };
}

async function answers({ native }: KafkaServer): Promise<void> {
  const admin = native.admin();
  await admin.connect();
  await admin.describeCluster();
  await admin.disconnect();
}
