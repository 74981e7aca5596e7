// Reads the rows of a table: a pipeline, and a hand-written loop over COPY TO, in turn, each in a process of its own whose memory is
// watched from outside. They go past the fault proxy, to a server in a container. So many rows that 0.2 s of loading the driver do not
// count.
//
//   pnpm bench postgres snapshot [--json] [--messages 5000000] [--repeat 3]
import { join } from 'node:path';
import { startPostgres } from '@sluice/testkit';
import { type BenchCase, benchOptions, measureProcess, runBenchmark } from '@sluice/testkit/bench';

const options = benchOptions({ messages: 5_000_000, repeat: 3 });

async function* cases(): AsyncGenerator<BenchCase<'COPY'>> {
  await using server = await startPostgres({ settings: { shared_buffers: '512MB', max_wal_size: '8GB' } });
  const client = await server.connect();
  await client.query('CREATE TABLE bench (id bigint PRIMARY KEY, name text, amount double precision, note text)');
  await client.query(
    `INSERT INTO bench SELECT id, 'customer ' || id, id * 1.5, repeat('x', 40) FROM generate_series(1, $1::int8) AS id`,
    [options.messages],
  );
  await client.query('VACUUM ANALYZE bench');
  await client.end();
  yield {
    name: 'snapshot',
    measure: async (subject) => {
      const script = join(import.meta.dirname, 'snapshot-subject.ts');
      const measured = await measureProcess(script, [subject, server.directUrl]);
      if (measured.messages !== options.messages) throw new Error(`it read ${measured.messages} rows`);
      return measured;
    },
  };
}

await runBenchmark({ name: 'postgres snapshot', byHand: ['COPY'], unit: 'row', cases: cases() }, options);
