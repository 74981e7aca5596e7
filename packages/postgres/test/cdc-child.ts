// Runs a pipeline from changes of Postgres to a table of Postgres until it is killed.
import { pipeline } from '@sluice/core';
import { type PostgresSinkConfig, type PostgresSourceConfig, postgres } from '@sluice/postgres';

/** What a run is told. */
export interface ChildOrder {
  readonly name: string;
  readonly source: PostgresSourceConfig;
  readonly sink: PostgresSinkConfig;
}

const order = JSON.parse(process.argv[2] ?? '') as ChildOrder; // by the test that starts it
await pipeline({
  name: order.name,
  source: postgres.source(order.source),
  sink: postgres.sink(order.sink),
  budget: { maxBytes: 4 * 1024 * 1024 },
  flush: { intervalMs: 100 },
  timeoutMs: 600_000,
}).run();
