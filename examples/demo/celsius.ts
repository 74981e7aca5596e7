import { join } from 'node:path';
import type { Client } from 'pg';
import { allLinesOf } from '#demo/lines';
import type { Place } from '#demo/place';
import { screen } from '#demo/screen';
import {
  lastWordsOf,
  type StartedProcess,
  type Summary,
  startPipeline,
  startProgram,
  succeeded,
} from '#demo/started-process';
import { waitUntil } from '#demo/wait-until';

const readings = 5000;
/** The pipeline commits every second. */
const quietMs = 3000;

interface Outcome {
  readonly sent: readonly string[];
  readonly dead: readonly string[];
  readonly summary: Summary;
}

/** Shows a live pipeline: readings as UDP datagrams in, a table out. Returns how many numbers are not what they should be. */
export async function showCelsius(place: Place, client: Client): Promise<number> {
  screen.heading('1  Temperature readings over UDP into a table, from Celsius to Fahrenheit');
  screen.line('sluice run examples/celsius-to-postgres.yaml  receives, converts, writes to the table');
  screen.line(
    `node examples/send-readings.ts                sends ${readings.toLocaleString('en-US')} readings, two of them not JSON`,
  );
  await client.query('CREATE TABLE readings (reading int, sensor text, fahrenheit numeric)');
  return await report(await runBoth(place, client), client);
}

async function runBoth({ folder, url }: Place, client: Client): Promise<Outcome> {
  const sentFile = join(folder, 'sent.ndjson');
  const deadFile = join(folder, 'out/dead-readings.ndjson');
  const pipeline = startPipeline(folder, ['celsius-to-postgres.yaml', '--source-port', '0'], { DATABASE_URL: url });
  const port = await portOf(pipeline);
  screen.line(`the pipeline listens on port ${port}; readings are on their way`);
  const sender = startProgram(folder, ['send-readings.ts', port, String(readings), sentFile]);
  await succeeded('the sender', sender);
  await untilQuiet(async () => (await storedReadings(client)) + allLinesOf(deadFile).length);
  pipeline.kill('SIGTERM');
  await succeeded('the pipeline', pipeline);
  const summary = pipeline.log.find(({ event }) => event === 'stopped')?.summary;
  if (summary === undefined) throw new Error('the pipeline ended without telling its counters');
  return { sent: allLinesOf(sentFile), dead: allLinesOf(deadFile), summary };
}

async function storedReadings(client: Client): Promise<number> {
  const { rows } = await client.query<{ count: number }>('SELECT count(*)::int AS count FROM readings');
  return rows[0]?.count ?? 0;
}

/** With port 0 the system chooses a free one, and the pipeline tells which once it receives. */
async function portOf(pipeline: StartedProcess): Promise<string> {
  return await waitUntil({ what: 'the pipeline receives', limitMs: 20_000, everyMs: 20 }, () => {
    if (pipeline.hasEnded()) throw new Error(`the pipeline did not start: ${lastWordsOf(pipeline)}`);
    return pipeline.log.map(({ text }) => /port (\d+)/.exec(text ?? '')?.[1]).find((port) => port !== undefined);
  });
}

/** Resolves when everything that was sent has come, or nothing more has come for a while: datagrams may get lost. */
async function untilQuiet(arrived: () => Promise<number>): Promise<void> {
  let last = { count: -1, at: 0 };
  await waitUntil({ what: 'the pipeline has written everything', limitMs: 20_000, everyMs: 100 }, async () => {
    const count = await arrived();
    if (count !== last.count) last = { count, at: performance.now() };
    return count === readings || performance.now() - last.at > quietMs;
  });
}

async function report({ sent, dead, summary }: Outcome, client: Client): Promise<number> {
  await loadSent(sent, client);
  screen.line();
  screen.line('comparing what was sent (a table that the demo has filled itself) with what came, by this query:');
  screen.line();
  for (const line of comparison.split('\n')) screen.line(`  ${line}`);
  const { rows } = await client.query<Compared>(comparison);
  const [{ stored, duplicated, wrong }] = rows as [Compared]; // It has always one row.
  const byKernel = summary.connectors['source.droppedByKernel'] ?? 0;
  const byQueue = summary.connectors['source.droppedByQueue'] ?? 0;
  const unaccounted = sent.length - (stored - duplicated) - dead.length - byKernel - byQueue;
  screen.line();
  screen.number('sent', sent.length);
  screen.number('stored in the table', stored);
  screen.number('not JSON, kept in out/dead-readings.ndjson', dead.length);
  screen.number('dropped by the kernel', byKernel);
  screen.number('dropped because the pipeline was behind', byQueue);
  screen.number('not accounted for', unaccounted);
  screen.number('duplicated', duplicated);
  screen.number('converted wrongly', wrong);
  return Math.abs(unaccounted) + duplicated + wrong;
}

interface Compared {
  readonly stored: number;
  readonly duplicated: number;
  readonly wrong: number;
}

const comparison = `
SELECT count(stored.reading)::int AS stored,
       (count(stored.reading) - count(DISTINCT stored.reading))::int AS duplicated,
       count(*) FILTER (WHERE sent.reading IS NULL OR stored.sensor <> sent.sensor
                           OR stored.fahrenheit <> round(sent.celsius * 9 / 5 + 32, 2))::int AS wrong
FROM sent_readings AS sent FULL JOIN readings AS stored USING (reading)`.trim();

/** Loads the readings that are JSON, as the sender has noted them. */
async function loadSent(sent: readonly string[], client: Client): Promise<void> {
  await client.query('CREATE TEMP TABLE sent_readings (reading int, sensor text, celsius numeric)');
  const json = `[${sent.filter(isJson).join(',')}]`;
  await client.query('INSERT INTO sent_readings SELECT * FROM json_populate_recordset(NULL::sent_readings, $1)', [
    json,
  ]);
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    // Two readings are meant to be broken.
    return false;
  }
}
