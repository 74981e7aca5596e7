import { wrapError } from '@sluice/core/driver';
import type { Command } from 'commander';
import { type ExitCode, exitCode } from '../exit-code.js';
import { type Part, partsOf } from '../part.js';
import { addPipelineCommand, type Cli, type Job } from '../pipeline-command.js';
import { type PositionKeeper, removableKeepers } from '../position-keeper.js';
import { preparePipeline } from '../prepare-pipeline.js';
import { stopOnSignals } from '../stop-on-signals.js';

interface TeardownOptions {
  readonly yes?: boolean;
}

interface Made {
  readonly part: string;
  readonly what: readonly string[];
}

/** `sluice teardown`: lists what a pipeline made outside, and removes it with `--yes`. */
export function addTeardown(program: Command, cli: Cli): void {
  const command = addPipelineCommand<TeardownOptions>(
    program,
    cli,
    {
      name: 'teardown',
      summary: 'list what the pipeline made outside (slots, groups, its checkpoint); --yes removes it',
    },
    teardown,
  );
  command.option('--yes', 'remove what is listed');
}

async function teardown(job: Job<TeardownOptions>): Promise<ExitCode> {
  const loaded = await job.load();
  const pipeline = preparePipeline(loaded);
  const { name } = pipeline;
  const remove = job.options.yes ?? false;
  const signals = stopOnSignals((signal) => job.output.note(`${signal}: ending`));
  const made: Made[] = [];
  for (const part of partsOf(loaded.definition)) {
    const what = await tearDownPart(part, { pipeline: name, id: part.id, remove, signal: signals.signal });
    if (what.length > 0) made.push({ part: part.label, what });
  }
  for (const keeper of removableKeepers(loaded.definition, pipeline)) {
    const what = await forgetPositions(keeper, name, remove);
    if (what.length > 0) made.push({ part: 'checkpoints', what });
  }
  signals.release();
  const lines = made.flatMap(({ part, what }) => what.map((line) => `${part}: ${line}`));
  const verdict = remove ? 'removed' : 'nothing was removed; --yes removes all of this';
  job.output.result(
    { name, removed: remove, made },
    lines.length === 0 ? 'the pipeline has made nothing outside' : [...lines, verdict].join('\n'),
  );
  return exitCode.done;
}

async function tearDownPart({ part }: Part, request: Parameters<TeardownFunction>[2]): Promise<readonly string[]> {
  const half = part.connector[part.direction];
  if (half?.teardown === undefined) return [];
  try {
    return await half.teardown(part.config, part.options, request);
  } catch (error) {
    throw wrapError(error, part.connector.classify, {
      connector: part.connector.name,
      direction: part.direction,
      operation: 'tear down',
    });
  }
}

type TeardownFunction = NonNullable<NonNullable<Part['part']['connector']['source']>['teardown']>;

async function forgetPositions(keeper: PositionKeeper, name: string, remove: boolean): Promise<readonly string[]> {
  const positions = Object.keys(await keeper.load());
  if (positions.length === 0) return [];
  if (remove) await keeper.change(() => ({}));
  const count = `${positions.length} ${positions.length === 1 ? 'position' : 'positions'}`;
  return [`${count} of pipeline "${name}" in ${keeper.description}`];
}
