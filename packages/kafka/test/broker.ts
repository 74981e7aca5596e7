import type { KafkaServer } from '@sluice/testkit';
import { afterAll, beforeAll } from 'vitest';

/** The server of one test file. */
export interface Broker<Server extends KafkaServer> {
  readonly server: Server;
}

/** Starts a server before the tests of a file and stops it after them. */
export function useBroker<Server extends KafkaServer>(start: () => Promise<Server>): Broker<Server> {
  let server: Server;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(async () => await server?.stop());
  return {
    get server() {
      return server;
    },
  };
}
