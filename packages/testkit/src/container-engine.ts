import type { ContainerRuntimeClient } from 'testcontainers';
import { ownerIsGone, ownerLabels, testServerLabel } from './container-owner.js';

/** testcontainers, loaded when the first server starts: a suite that needs no server does not pay for it. */
export type Testcontainers = typeof import('testcontainers');

/** The container engine of this machine, as testcontainers finds it. */
export interface ContainerEngine {
  readonly testcontainers: Testcontainers;
  readonly client: ContainerRuntimeClient;
  /** Where its containers' ports are reached: `localhost`, or the engine's own address where the tests run in a container. */
  readonly host: string;
  /** Labels for containers of this process. */
  readonly labels: Record<string, string>;
}

let engine: Promise<ContainerEngine> | undefined;

/**
 * The container engine. The first call of a process removes the containers of test processes that are gone.
 *
 * @throws Error when no engine answers, or Node.js is too old for testcontainers.
 */
export function containerEngine(): Promise<ContainerEngine> {
  engine ??= connectToEngine();
  return engine;
}

async function connectToEngine(): Promise<ContainerEngine> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 22 || (major === 22 && minor < 22)) {
    throw new Error(`Test servers need Node.js 22.22 or newer for testcontainers; this is ${process.versions.node}.`);
  }
  // Its clean-up container is one more image to fetch; containers are swept by label instead.
  process.env['TESTCONTAINERS_RYUK_DISABLED'] ??= 'true';
  const testcontainers = await import('testcontainers');
  try {
    const client = await testcontainers.getContainerRuntimeClient();
    const { host } = client.info.containerRuntime;
    const connected = { testcontainers, client, host, labels: ownerLabels(process.pid) };
    await sweep(connected);
    return connected;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `Test servers could not reach a container engine: ${reason}. Install and start Docker; in Sluice's repository, "npm test" does it on Debian and Ubuntu.`,
      { cause: error },
    );
  }
}

/** Removes the containers of test processes that are gone, as a killed run leaves them. */
export async function sweep({ client }: Pick<ContainerEngine, 'client'>): Promise<void> {
  const { dockerode } = client.container;
  const containers = await dockerode.listContainers({ all: true, filters: { label: [testServerLabel] } });
  const left = containers.filter(({ Labels }) => ownerIsGone(Labels));
  await Promise.all(left.map(({ Id }) => removeContainer(client, Id)));
}

/** Ends a container and removes it with its data; one that is gone already is no error. */
export async function removeContainer(client: ContainerRuntimeClient, id: string): Promise<void> {
  try {
    await client.container.getById(id).remove({ force: true, v: true });
  } catch (error) {
    // Not found, or somebody else is removing it.
    const { statusCode } = error as { statusCode?: number }; // what the engine's client throws
    if (statusCode !== 404 && statusCode !== 409) throw error;
  }
}
