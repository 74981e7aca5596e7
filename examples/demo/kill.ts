import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { compareLines } from '#demo/compare';
import { bytesOf } from '#demo/lines';
import { screen } from '#demo/screen';
import { lastWordsOf, type StartedProcess, startPipeline, succeeded } from '#demo/started-process';
import { waitUntil } from '#demo/wait-until';

const orders = 1_000_000;
const kills = 6;
/** The last kill comes before so much of the output is written, so that none comes too late. */
const lastKillShare = 0.75;
const latestKillMs = 30;
const items = ['bolt', 'nut', 'drill', 'saw', 'bench', 'glue'];

/** Shows that nothing is lost when the process is killed. Returns how many numbers are not what they should be. */
export async function showKills(folder: string): Promise<number> {
  screen.heading('2  A million lines, and kill -9');
  const input = join(folder, 'data/orders.ndjson');
  const output = join(folder, 'out/orders-with-total.ndjson');
  screen.line(`writing ${orders.toLocaleString('en-US')} orders to a file`);
  const expectedBytes = await writeOrders(input);
  screen.line('sluice run examples/copy.yaml              adds the total to each, effectively once');
  screen.line();
  for (let kill = 1; kill <= kills; kill++) {
    const share = ((kill - 1 + Math.random()) / kills) * lastKillShare;
    await killAt(startPipeline(folder, ['copy.yaml']), () => bytesOf(output) / expectedBytes, { kill, share });
  }
  const pipeline = startPipeline(folder, ['copy.yaml']);
  await succeeded('the pipeline', pipeline);
  screen.line('not killed any more, it has finished');
  screen.line();
  screen.line('comparing both files, line by line, without any code of Sluice');
  return report(await compareLines(input, output));
}

/** Writes the input; returns how many bytes the output will have. */
async function writeOrders(path: string): Promise<number> {
  mkdirSync(join(path, '..'), { recursive: true });
  const file = createWriteStream(path);
  let outputBytes = 0;
  for (let from = 1; from <= orders; from += 10_000) {
    let text = '';
    for (let order = from; order < from + 10_000; order++) {
      const quantity = 1 + (order % 90);
      const priceCents = 5 + (order % 997);
      const line = `{"order":${order},"item":"${items[order % items.length]}","quantity":${quantity},"priceCents":${priceCents}}\n`;
      text += line;
      outputBytes += line.length + `,"totalCents":${quantity * priceCents}`.length;
    }
    if (!file.write(text)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');
  return outputBytes;
}

/** Kills a pipeline within a moment after its output has reached a share of what it is to become. */
async function killAt(
  pipeline: StartedProcess,
  progress: () => number,
  { kill, share }: { readonly kill: number; readonly share: number },
): Promise<void> {
  await waitUntil({ what: `the pipeline has written ${percent(share)}`, limitMs: 30_000, everyMs: 1 }, () => {
    if (pipeline.hasEnded()) throw new Error(`the pipeline ended before it was killed: ${lastWordsOf(pipeline)}`);
    return progress() >= share;
  });
  // What is seen is always the end of a write; the kill is to hit anything.
  await wait(Math.random() * latestKillMs);
  pipeline.kill('SIGKILL');
  const reached = progress();
  const end = await pipeline.ended;
  if (end !== 'SIGKILL') throw new Error(`the pipeline was to be killed, but ended with ${end}`);
  screen.line(
    `process ${String(pipeline.pid).padEnd(8)}killed with ${percent(reached)} written; ${kill < kills ? 'started again' : 'started for the last time'}`,
  );
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1).padStart(4)} %`;
}

function report(result: Awaited<ReturnType<typeof compareLines>>): number {
  screen.line();
  screen.number('lines in', result.linesIn);
  screen.number('lines out', result.linesOut);
  screen.number('lost', result.lost);
  screen.number('duplicated', result.duplicated);
  screen.number('reordered', result.reordered);
  screen.number('wrong', result.wrong);
  return result.lost + result.duplicated + result.reordered + result.wrong;
}
