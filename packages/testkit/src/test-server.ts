import type { ContainerServer } from './container-server.js';
import type { FaultProxy } from './fault-proxy.js';

/** A real server for tests, and the ways to hurt it. Every `start…` function gives one, with a native client besides. */
export interface TestServer
  extends Pick<ContainerServer, 'pause' | 'resume' | 'restart' | 'kill' | 'stop'>,
    AsyncDisposable {
  /** What the connector under test connects to, through `proxy`. It stays the same over cuts and restarts. */
  readonly url: string;
  /** The network between the connector under test and the server. The native client goes past it. */
  readonly proxy: FaultProxy;
}

/** A test server in a container, which is reached at `url`. */
export function serverIn({ proxy, pause, resume, restart, kill, stop }: ContainerServer, url: string): TestServer {
  return { url, proxy, pause, resume, restart, kill, stop, [Symbol.asyncDispose]: stop };
}

/** The address of a server of one's own that the tests of a system are to use, if the environment names one. */
export function ownServerUrl(system: string): string | undefined {
  return process.env[ownServerVariable(system)] || undefined;
}

/** What a server of one's own has of a test server: it can be used, and a test that would hurt it fails. */
export function untouchableServer(system: string, url: string): TestServer {
  const refuse = (): never => {
    throw new Error(
      `This test breaks its ${system} server, and ${ownServerVariable(system)} names one of your own. Unset it, so that the test gets one in a container.`,
    );
  };
  const refuseLater = async (): Promise<never> => refuse();
  const stop = async (): Promise<void> => {};
  return {
    url,
    get proxy() {
      return refuse();
    },
    pause: refuseLater,
    resume: refuseLater,
    restart: refuseLater,
    kill: refuseLater,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function ownServerVariable(system: string): string {
  return `SLUICE_TEST_${system.toUpperCase()}_URL`;
}
