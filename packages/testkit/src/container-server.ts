import { setTimeout as delay } from 'node:timers/promises';
import type { StartedTestContainer } from 'testcontainers';
import { type ContainerEngine, containerEngine, removeContainer } from './container-engine.js';
import { type FaultProxy, type FaultProxyOptions, startFaultProxy } from './fault-proxy.js';
import { freePorts } from './free-port.js';
import type { ServerImage } from './images.js';

/** What a server's container is made of. */
export interface ContainerRecipe {
  /** What the server is called in errors, and its folder in images/. */
  readonly name: string;
  readonly image: ServerImage;
  /** Ports inside the container. Each gets one of this machine, which stays the same over restarts. */
  readonly ports: readonly number[];
  /** The one of them that the fault proxy leads to. */
  readonly proxiedPort: number;
  /** See {@link FaultProxyOptions.messageLength}. */
  readonly messageLength?: FaultProxyOptions['messageLength'];
  /** See {@link FaultProxyOptions.correlationId}. */
  readonly correlationId?: FaultProxyOptions['correlationId'];
  readonly env?: Readonly<Record<string, string>>;
  /** In place of the image's own command. */
  readonly command?: readonly string[] | undefined;
  /** Files put into the container before it starts, by path: made when its addresses are known, to write them down. */
  readonly files?: (addresses: ServerAddresses) => Readonly<Record<string, string>>;
  /** Rejects as long as the server does not do its work. Called until it resolves, for a minute at the most. */
  readonly check: (addresses: ServerAddresses) => Promise<void>;
}

/** Where a server in a container can be reached. */
export interface ServerAddresses {
  /** `host:port` of this machine that leads to a port inside the container, past the proxy. */
  address(port: number): string;
  readonly proxy: FaultProxy;
}

/** A server in a container, with what can be done to the container. Each method returns when the effect has come about. */
export interface ContainerServer extends ServerAddresses {
  /** Stops all of the server's processes where they are. Connections stay open, and nothing answers. */
  pause(): Promise<void>;
  /** Goes on after `pause`, and waits until the server works. */
  resume(): Promise<void>;
  /** Shuts the server down cleanly if it runs, starts it again on the same address, and waits until it works. */
  restart(): Promise<void>;
  /** Ends the server with SIGKILL. `restart` brings it back with what it had on its disk. */
  kill(): Promise<void>;
  /** Runs a command in the container and returns what it printed; rejects if it failed. */
  exec(command: readonly string[]): Promise<string>;
  /** Removes the container and ends the proxy. Called again, it does nothing. */
  stop(): Promise<void>;
}

const startTimeoutMs = 60_000;
const stopTimeoutSeconds = 20;
const portAttempts = 5;

/** Starts a server in a container and waits until it works. */
export async function startContainer(recipe: ContainerRecipe): Promise<ContainerServer> {
  const engine = await containerEngine();
  const { container, addresses } = await create(recipe, engine);
  const handle = engine.client.container.getById(container.getId());
  const untilItWorks = (): Promise<void> =>
    until(
      recipe.name,
      () => recipe.check(addresses),
      async () => (await handle.inspect()).State.Running,
    );
  const server: ContainerServer = {
    ...addresses,
    pause: async () => {
      await handle.pause();
    },
    resume: async () => {
      await handle.unpause();
      await untilItWorks();
    },
    restart: async () => {
      await handle.restart({ t: stopTimeoutSeconds });
      await untilItWorks();
    },
    kill: async () => {
      await handle.kill();
      await handle.wait();
    },
    exec: async (command) => {
      const { exitCode, output } = await container.exec([...command]);
      if (exitCode !== 0)
        throw new Error(`${recipe.name} server: ${command.join(' ')} failed (${exitCode}): ${output}`);
      return output;
    },
    stop: async () => {
      await addresses.proxy.close();
      await removeContainer(engine.client, container.getId());
    },
  };
  try {
    await untilItWorks();
    return server;
  } catch (error) {
    const logs = logText(await handle.logs({ stdout: true, stderr: true, tail: 60 }));
    await server.stop();
    throw new Error(`${recipe.name} server did not start. Its last words:\n${logs}`, { cause: error });
  }
}

interface Created {
  readonly container: StartedTestContainer;
  readonly addresses: ServerAddresses;
}

async function create(recipe: ContainerRecipe, engine: ContainerEngine): Promise<Created> {
  const { GenericContainer, Wait } = engine.testcontainers;
  const image = await imageToRun(recipe.image, engine);
  const { host } = engine;
  for (let attempt = 1; ; attempt++) {
    const hostPorts = await freePorts(recipe.ports.length);
    const bindings = recipe.ports.map((container, index) => ({ container, host: hostPorts[index] ?? 0 }));
    const hostPort = (port: number): number => bindings.find(({ container }) => container === port)?.host ?? 0;
    const proxy = await startFaultProxy({
      targetHost: host,
      targetPort: hostPort(recipe.proxiedPort),
      messageLength: recipe.messageLength,
      correlationId: recipe.correlationId,
    });
    const addresses = { proxy, address: (port: number) => `${host}:${hostPort(port)}` };
    const files = Object.entries(recipe.files?.(addresses) ?? {});
    try {
      const container = new GenericContainer(image)
        .withLabels(engine.labels)
        .withEnvironment({ ...recipe.env })
        .withExposedPorts(...bindings)
        .withCopyContentToContainer(files.map(([target, content]) => ({ target, content, mode: 0o644 })))
        // As soon as it says anything. That it works is found out by `check`, the same way at the start and after a restart.
        .withWaitStrategy(Wait.forLogMessage(/./));
      if (recipe.command) container.withCommand([...recipe.command]);
      return { container: await container.start(), addresses };
    } catch (error) {
      await proxy.close();
      const reason = error instanceof Error ? error.message : String(error);
      const taken = /port is already allocated|address already in use/i.test(reason);
      if (!taken || attempt === portAttempts)
        throw new Error(startProblem(recipe.name, image, reason), { cause: error });
    }
  }
}

function startProblem(name: string, image: string, reason: string): string {
  return `${name} server could not start from image ${image}: ${reason}. If no image registry can be reached, "node packages/testkit/images/prepare.mjs ${name}" in Sluice's repository builds the image.`;
}

/** The official image if it is here, else the one built here, else the official one, which testcontainers then fetches. */
async function imageToRun({ official, local }: ServerImage, { client }: ContainerEngine): Promise<string> {
  for (const image of [official, local]) {
    const found = await client.container.dockerode
      .getImage(image)
      .inspect()
      .catch(() => undefined);
    if (found) return image;
  }
  return official;
}

/** The text of what a container has printed; the engine puts 8 bytes before each piece, of which the last 4 are its length. */
function logText(logs: Buffer): string {
  const pieces: Buffer[] = [];
  for (let at = 0; at + 8 <= logs.length; ) {
    const end = at + 8 + logs.readUInt32BE(at + 4);
    pieces.push(logs.subarray(at + 8, end));
    at = end;
  }
  return Buffer.concat(pieces).toString();
}

/** Waits until a check resolves, unless the server has ended. */
async function until(name: string, check: () => Promise<void>, isRunning: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + startTimeoutMs;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (!(await isRunning())) throw new Error(`${name} server has ended`, { cause: error });
      if (performance.now() > deadline) {
        throw new Error(`${name} server did not work within ${startTimeoutMs / 1000} s`, { cause: error });
      }
      await delay(50);
    }
  }
}
