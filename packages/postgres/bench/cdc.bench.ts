// Reads changes of a table: a pipeline, and a bare replication client that decodes and drops, in turn, each in a process of its
// own whose memory is watched from outside. They go past the fault proxy, to a server in a container.
//
//   pnpm bench postgres cdc [--json] [--messages 1000000] [--repeat 3]
import { startPostgres } from '@sluice/testkit';
import { type BenchCase, benchOptions, runBenchmark } from '@sluice/testkit/bench';
import { removeRows, runCdcSubject, writeRows } from './cdc-run.js';

const options = benchOptions({ messages: 1_000_000, repeat: 3 });
const rows = options.messages;

/** Rows of a transaction, by the name of the case. */
const transactions: Readonly<Record<string, number>> = { 'transactions of 1,000': 1000, 'one transaction': rows };

async function* cases(): AsyncGenerator<BenchCase<'bare client'>> {
  await using server = await startPostgres({ settings: { shared_buffers: '512MB', max_wal_size: '8GB' } });
  const client = await server.connect();
  for (const [name, rowsPerTransaction] of Object.entries(transactions)) {
    await writeRows(client, rows, rowsPerTransaction);
    yield { name: `changes, ${name}`, measure: (subject) => runCdcSubject(server, subject, rows) };
    await removeRows(client);
  }
  await client.end();
}

await runBenchmark({ name: 'postgres cdc', byHand: ['bare client'], unit: 'row', cases: cases() }, options);
