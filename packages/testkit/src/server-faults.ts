import type { Faults } from './conformance/harness.js';
import { breakRequests } from './request-fault.js';
import type { TestServer } from './test-server.js';

/**
 * The ways to hurt a server and the network to it, as {@link conformance} wants them: the `faults` of a harness, from a server of
 * the kit or from anything with a {@link FaultProxy} in front that can be paused, restarted and killed. Its `resume` and `restart`
 * resolve when it works.
 *
 * An answer that is to be lost is found by the proxy's `correlationId`.
 */
export function serverFaults(server: Pick<TestServer, 'proxy' | 'pause' | 'resume' | 'restart' | 'kill'>): Faults {
  const { proxy } = server;
  const interceptions: (() => void)[] = [];
  let state: 'runs' | 'paused' | 'killed' = 'runs';
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
      interceptions.push(breakRequests(proxy, { matches, lose: 'answer', onStrike: resolve }).stop);
      return { happened };
    },
    pause: async () => {
      await server.pause();
      state = 'paused';
    },
    restart: () => server.restart(),
    stop: async () => {
      await server.kill();
      state = 'killed';
    },
    restore: async () => {
      for (const stop of interceptions.splice(0)) stop();
      if (state === 'paused') await server.resume();
      if (state === 'killed') await server.restart();
      state = 'runs';
      await proxy.restore();
    },
    connections: () => proxy.connections,
  };
}
