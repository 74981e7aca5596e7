import {
  type Harness,
  type PostgresServer,
  type PostgresVersion,
  type SourceHarness,
  startPostgres,
} from '@sluice/testkit';
import {
  carriesRows,
  harnessOf,
  insertRows,
  patience,
  uniqueIdentifier,
  using,
  wrongConfigs,
} from './postgres-harness.js';
import { rowsConnector } from './rows-connector.js';

/** The harness of `snapshot: only`: a table for each partition. */
export async function openSnapshotHarness(version: PostgresVersion): Promise<Harness> {
  const server = await startPostgres({ version });
  return {
    ...harnessOf(server),
    connector: rowsConnector.descriptor,
    module: { url: new URL('rows-connector.ts', import.meta.url).href, name: 'rowsConnector' },
    source: sourceHarness(server),
  };
}

function sourceHarness(server: PostgresServer): SourceHarness {
  const base = { mode: 'cdc', snapshot: 'only', ...patience } as const;
  return {
    carries: carriesRows,
    ...wrongConfigs(server, { ...base, tables: ['nowhere'] }),
    livenessTimeoutMs: { because: 'the server waits for a reader as long as it takes' },
    createPlace: async (count) => {
      const name = uniqueIdentifier('rows');
      const tables = Array.from({ length: count }, (_, index) => `${name}_${index}`);
      const all = (sql: (table: string) => string): Promise<void> =>
        using(server, async (client) => {
          for (const table of tables) await client.query(sql(table));
        });
      await all((table) => `create table ${table} (id bigserial primary key, key bytea, payload bytea)`);
      const partitionOf = (table: string): string => `public.${table}/1`;
      const fixed = { because: 'what is read is fixed when reading begins' };
      return {
        config: { ...base, url: server.url, tables },
        partitions: tables.map(partitionOf),
        produce: (messages, partition) =>
          insertRows(server, tables.find((each) => partitionOf(each) === partition) ?? `${name}_0`, messages),
        committed: { because: 'the server is not told' },
        discard: { because: 'a row that was deleted leaves no gap: the next key is read' },
        addPartition: fixed,
        takeAway: fixed,
        remove: () => all((table) => `drop table ${table}`),
      };
    },
  };
}
