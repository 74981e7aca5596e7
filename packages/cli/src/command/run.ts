import type { Pipeline } from '@sluice/core';
import { type Command, Option } from 'commander';
import { type ExitCode, exitCode, exitCodeOf } from '../exit-code.js';
import { trackHealth } from '../health.js';
import { parseAddress, type StatusServer, serveStatus } from '../http.js';
import { type LiveLine, startLiveLine } from '../live-line.js';
import { type EventLog, jsonLog, textLog } from '../log.js';
import { addPipelineCommand, type Cli, type Job } from '../pipeline-command.js';
import { withReset } from '../position-keeper.js';
import { validPipeline } from '../prepare-pipeline.js';
import { quietLog } from '../quiet-log.js';
import { stopOnSignals } from '../stop-on-signals.js';

interface RunOptions {
  readonly http?: string;
}

/** `sluice run`: runs a pipeline until its source ends or a signal comes. */
export function addRun(program: Command, cli: Cli): void {
  addPipelineCommand<RunOptions>(
    program,
    cli,
    {
      name: 'run',
      summary: 'run a pipeline until its source ends or SIGINT or SIGTERM comes',
      options: [
        new Option('--http <address>', 'serve /metrics, /health and /ready, as :9090 (loopback) or 0.0.0.0:9090'),
      ],
    },
    run,
  );
}

async function run(job: Job<RunOptions>): Promise<ExitCode> {
  const address = job.options.http === undefined ? undefined : parseAddress(job.options.http);
  const answerScrape = address && (await import('../metrics.js')).collectMetrics();
  const loaded = await job.load();
  const { onEvent, health } = trackHealth();
  const pipeline = await validPipeline(loaded, (event) => {
    onEvent(event);
    screen.log.event(event);
  });
  const screen = openScreen(job, () => pipeline.stats());
  let server: StatusServer | undefined;
  try {
    if (address && answerScrape) server = await serveStatus(address, health, answerScrape);
    if (server) screen.log.note(`serving ${server.url}/metrics, /health and /ready`);
    screen.log.guarantee(pipeline.name, pipeline.guarantee);
    return await runToEnd(pipeline, screen.log);
  } catch (error) {
    screen.log.failure(withReset(error, loaded.definition, pipeline));
    return exitCodeOf(error);
  } finally {
    screen.line?.stop();
    server?.close();
  }
}

async function runToEnd(pipeline: Pipeline, log: EventLog): Promise<ExitCode> {
  const signals = stopOnSignals((name) => log.note(`${name}: draining; a second one leaves at once`));
  try {
    const stats = await pipeline.run({ signal: signals.signal });
    return stats.unsettled === 0 ? exitCode.done : exitCode.failed;
  } finally {
    signals.release();
  }
}

/** Where a run tells what happens: lines with a live one at a terminal, JSON for anything else. */
function openScreen(
  job: Job<RunOptions>,
  stats: Parameters<typeof startLiveLine>[2],
): { readonly log: EventLog; readonly line?: LiveLine } {
  if (job.output.json || !process.stderr.isTTY) return { log: quietLog(jsonLog(job.output)) };
  const line = startLiveLine(process.stderr, textLog(job.output), stats);
  return { log: quietLog(line.log), line };
}
