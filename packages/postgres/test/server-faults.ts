import type { Faults, PostgresServer } from '@sluice/testkit';

/** Ways to hurt a server and the network to it, as the conformance suite wants them. */
export function serverFaults(server: PostgresServer): Faults {
  const { proxy } = server;
  const interceptions: (() => void)[] = [];
  let state: 'runs' | 'paused' | 'stopped' = 'runs';
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
      let asked: number | undefined;
      const stop = proxy.intercept(({ connection, direction, bytes }) => {
        if (direction === 'toServer') {
          if (asked === undefined && matches(bytes)) asked = connection;
          return 'pass';
        }
        if (asked !== connection) return 'pass';
        asked = -1;
        resolve();
        return 'cut';
      });
      interceptions.push(stop);
      return { happened };
    },
    pause: async () => {
      await server.pause();
      state = 'paused';
    },
    restart: () => server.restart(),
    stop: async () => {
      await server.kill();
      state = 'stopped';
    },
    restore: async () => {
      for (const stop of interceptions.splice(0)) stop();
      if (state === 'paused') await server.resume();
      if (state === 'stopped') await server.restart();
      state = 'runs';
      await proxy.restore();
      await (await server.connect()).end();
    },
    connections: () => proxy.connections,
  };
}
