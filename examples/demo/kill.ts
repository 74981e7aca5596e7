import { join } from 'node:path';
import type { Client } from 'pg';
import { type Comparison, compareOrders, comparison, createOrders, loadOrders, writeOrders } from '#demo/orders';
import type { Place } from '#demo/place';
import { screen } from '#demo/screen';
import { lastWordsOf, type StartedProcess, startPipeline, succeeded } from '#demo/started-process';
import { waitUntil } from '#demo/wait-until';

const orders = 1_000_000;
const kills = 6;
/** The last kill comes before so much is written, so that none comes too late. */
const lastKillShare = 0.75;

/** Shows that nothing is lost when the process is killed. Returns how many numbers are not what they should be. */
export async function showKills(place: Place, client: Client): Promise<number> {
  screen.heading('2  A million lines of a file into a table, and kill -9');
  const file = join(place.folder, 'data/orders.ndjson');
  screen.line(`writing ${orders.toLocaleString('en-US')} orders to a file`);
  await writeOrders(file, orders);
  await createOrders(client);
  screen.line('sluice run examples/file-to-postgres.yaml  adds the total to each, effectively once');
  screen.line();
  const start = (): StartedProcess =>
    startPipeline(place.folder, ['file-to-postgres.yaml'], { DATABASE_URL: place.url });
  for (let kill = 1; kill <= kills; kill++) {
    const share = ((kill - 1 + Math.random()) / kills) * lastKillShare;
    const next = kill < kills ? 'started again' : 'started for the last time';
    const killed = await killAt(start(), client, share * orders);
    if (killed === undefined) break;
    screen.line(`${killed}; ${next}`);
  }
  await succeeded('the pipeline', start());
  screen.line('not killed any more, it has finished');
  screen.line();
  screen.line(
    'loading the same file into a table "sent", without any code of Sluice, and comparing both by this query:',
  );
  screen.line();
  for (const line of comparison.split('\n')) screen.line(`  ${line}`);
  await loadOrders(client, file);
  return report(await compareOrders(client));
}

/**
 * Kills a pipeline when it has written so many rows, in whatever it is doing then. Returns what has happened, in words; undefined
 * when it has finished before, because the machine had no time for whoever watches it.
 */
async function killAt(pipeline: StartedProcess, client: Client, rows: number): Promise<string | undefined> {
  const before = await progress(client);
  let written = 0;
  await waitUntil(
    { what: `the pipeline has written ${Math.round(rows)} rows`, limitMs: 60_000, everyMs: 1 },
    async () => {
      if (pipeline.hasEnded()) return true;
      written = before.stored + (await progress(client)).attempted - before.attempted;
      return written >= rows;
    },
  );
  pipeline.kill('SIGKILL');
  const end = await pipeline.ended;
  if (end === 0) return undefined;
  if (end !== 'SIGKILL')
    throw new Error(`the pipeline ended with ${end} before it was killed: ${lastWordsOf(pipeline)}`);
  const { stored } = await progress(client);
  const undone = Math.max(0, written - stored).toLocaleString('en-US');
  const share = `${((stored / orders) * 100).toFixed(0).padStart(2)} %`;
  return `process ${String(pipeline.pid).padEnd(8)}killed with ${share} stored and ${undone.padStart(6)} rows of an open transaction`;
}

/** How many rows there are, and how many were ever begun to be written, also in transactions that never ended. */
async function progress(client: Client): Promise<{ readonly stored: number; readonly attempted: number }> {
  const { rows } = await client.query<{ stored: string; attempted: string }>(`
    SELECT coalesce((SELECT id FROM orders ORDER BY place DESC LIMIT 1), 0) AS stored,
           (SELECT last_value FROM orders_place_seq) AS attempted`);
  return { stored: Number(rows[0]?.stored), attempted: Number(rows[0]?.attempted) };
}

function report({ sent, stored, lost, duplicated, reordered, wrong }: Comparison): number {
  screen.line();
  screen.number('sent', sent);
  screen.number('stored', stored);
  screen.number('lost', lost);
  screen.number('duplicated', duplicated);
  screen.number('reordered', reordered);
  screen.number('wrong', wrong);
  return Math.abs(sent - orders) + lost + duplicated + reordered + wrong;
}
