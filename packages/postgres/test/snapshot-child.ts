// Runs a pipeline from rows and changes of Postgres into a log until it is killed.
import { fileCheckpoints, pipeline } from '@sluice/core';
import { type PostgresSourceConfig, postgres } from '@sluice/postgres';

/** What a run is told. */
export interface ChildOrder {
  readonly source: PostgresSourceConfig;
  readonly path: string;
  readonly atomic: boolean;
}

// By its own name, because this runs as it stands.
const { log } = (await import(new URL('log-sink.ts', import.meta.url).href)) as typeof import('./log-sink.js');
const { source, path, atomic } = JSON.parse(process.argv[2] ?? '') as ChildOrder; // by the test that starts it
await pipeline({
  name: 'snapshot',
  source: postgres.source(source),
  sink: log.sink({ path, atomic }),
  checkpoints: fileCheckpoints({ path: `${path}.checkpoints` }),
  budget: { maxBytes: 4 * 1024 * 1024 },
  flush: { intervalMs: 50 },
  batch: { maxMessages: 100 },
  rateLimit: { messagesPerSecond: 10_000 },
}).run();
