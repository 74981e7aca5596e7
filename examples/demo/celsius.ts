import { join } from 'node:path';
import { allLinesOf } from '#demo/lines';
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
const shownReadings = 3;

interface Outcome {
  readonly sent: readonly string[];
  readonly written: readonly string[];
  readonly dead: readonly string[];
  readonly summary: Summary;
}

/** Shows a live pipeline: readings as UDP datagrams in, a file out. Returns how many numbers are not what they should be. */
export async function showCelsius(folder: string): Promise<number> {
  screen.heading('1  Temperature readings over UDP, from Celsius to Fahrenheit');
  screen.line('sluice run examples/celsius.yaml           receives, converts, writes to a file');
  screen.line(
    `node examples/send-readings.ts             sends ${readings.toLocaleString('en-US')} readings, two of them not JSON`,
  );
  return report(await runBoth(folder));
}

async function runBoth(folder: string): Promise<Outcome> {
  const files = {
    sent: join(folder, 'sent.ndjson'),
    written: join(folder, 'out/fahrenheit.ndjson'),
    dead: join(folder, 'out/dead-readings.ndjson'),
  };
  const pipeline = startPipeline(folder, ['celsius.yaml', '--source-port', '0']);
  const port = await portOf(pipeline);
  screen.line(`the pipeline listens on port ${port}; readings are on their way`);
  const sender = startProgram(folder, ['send-readings.ts', port, String(readings), files.sent]);
  await succeeded('the sender', sender);
  await untilQuiet(() => allLinesOf(files.written).length + allLinesOf(files.dead).length);
  pipeline.kill('SIGTERM');
  await succeeded('the pipeline', pipeline);
  const summary = pipeline.log.find(({ event }) => event === 'stopped')?.summary;
  if (summary === undefined) throw new Error('the pipeline ended without telling its counters');
  return { sent: allLinesOf(files.sent), written: allLinesOf(files.written), dead: allLinesOf(files.dead), summary };
}

/** With port 0 the system chooses a free one, and the pipeline tells which once it receives. */
async function portOf(pipeline: StartedProcess): Promise<string> {
  return await waitUntil({ what: 'the pipeline receives', limitMs: 20_000, everyMs: 20 }, () => {
    if (pipeline.hasEnded()) throw new Error(`the pipeline did not start: ${lastWordsOf(pipeline)}`);
    return pipeline.log.map(({ text }) => /port (\d+)/.exec(text ?? '')?.[1]).find((port) => port !== undefined);
  });
}

/** Resolves when everything that was sent has come, or nothing more has come for a second: datagrams may get lost. */
async function untilQuiet(arrived: () => number): Promise<void> {
  let last = { count: -1, at: 0 };
  await waitUntil({ what: 'the pipeline has written everything', limitMs: 20_000, everyMs: 100 }, () => {
    const count = arrived();
    if (count !== last.count) last = { count, at: performance.now() };
    return count === readings || performance.now() - last.at > 1000;
  });
}

function report({ sent, written, dead, summary }: Outcome): number {
  const expected = new Map(
    sent.map(parsed).flatMap((reading) => (reading === undefined ? [] : [[reading['reading'], reading]])),
  );
  screen.line();
  for (const line of written.slice(0, shownReadings)) {
    screen.line(`in    ${JSON.stringify(expected.get(parsed(line)?.['reading']))}`);
    screen.line(`out   ${line}`);
  }
  const wrong = written.filter((line) => !isFahrenheitOf(parsed(line), expected)).length;
  const byKernel = summary.connectors['source.droppedByKernel'] ?? 0;
  const byQueue = summary.connectors['source.droppedByQueue'] ?? 0;
  const unaccounted = sent.length - written.length - dead.length - byKernel - byQueue;
  screen.line();
  screen.number('sent', sent.length);
  screen.number('written to out/fahrenheit.ndjson', written.length);
  screen.number('not JSON, kept in out/dead-readings.ndjson', dead.length);
  screen.number('dropped by the kernel', byKernel);
  screen.number('dropped because the pipeline was behind', byQueue);
  screen.number('not accounted for', unaccounted);
  screen.number('converted wrongly', wrong);
  return Math.abs(unaccounted) + wrong;
}

type Reading = Readonly<Record<string, unknown>>;

function isFahrenheitOf(converted: Reading | undefined, expected: ReadonlyMap<unknown, Reading>): boolean {
  const reading = expected.get(converted?.['reading']);
  if (converted === undefined || reading === undefined) return false;
  const fahrenheit = (Number(reading['celsius']) * 9) / 5 + 32;
  return converted['sensor'] === reading['sensor'] && Math.abs(Number(converted['fahrenheit']) - fahrenheit) < 0.006;
}

function parsed(line: string): Reading | undefined {
  try {
    // JSON.parse returns `any`; the sender makes objects.
    return JSON.parse(line) as Reading;
  } catch {
    // Two readings are meant to be broken.
    return undefined;
  }
}
