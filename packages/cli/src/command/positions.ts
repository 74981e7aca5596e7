import type { Position, Source, StoredPosition } from '@sluice/core';
import { type Command, Option } from 'commander';
import { type ExitCode, exitCode } from '../exit-code.js';
import { messageOf } from '../message-of.js';
import { addPipelineCommand, type Cli, type Job } from '../pipeline-command.js';
import { type PositionKeeper, positionKeeper } from '../position-keeper.js';
import { preparePipeline } from '../prepare-pipeline.js';
import { badInput } from '../problem.js';
import { sourceIdentity, sourcesOf } from '../source-identity.js';

interface PartitionOptions {
  readonly partition?: string;
}

interface SetOptions extends PartitionOptions {
  readonly position?: string;
}

const partitionOption = 'as `sluice positions get` names it: source id, colon, partition';

/** `sluice positions get|set|reset`: shows and changes where a pipeline goes on. */
export function addPositions(program: Command, cli: Cli): void {
  const positions = program.command('positions').description('show and change where a pipeline goes on');
  addPipelineCommand(positions, cli, { name: 'get', summary: 'show the stored position of every partition' }, get);
  addPipelineCommand<SetOptions>(
    positions,
    cli,
    {
      name: 'set',
      summary: 'make the next run go on after a position',
      options: [
        new Option('--partition <key>', `${partitionOption}; left out: source:`),
        new Option('--position <json>', 'as `sluice positions get` shows it').makeOptionMandatory(),
      ],
    },
    set,
  );
  addPipelineCommand<PartitionOptions>(
    positions,
    cli,
    {
      name: 'reset',
      summary: 'forget positions, so that the next run starts where the config says',
      options: [new Option('--partition <key>', `${partitionOption}; all when left out`)],
    },
    reset,
  );
}

async function get(job: Job<object>): Promise<ExitCode> {
  const { keeper } = await open(job);
  const checkpoint = await keeper.load();
  const lines = Object.entries(checkpoint).map(
    ([partition, { position }]) => `${partition}  ${JSON.stringify(position)}`,
  );
  job.output.result(
    { keeper: keeper.description, positions: checkpoint },
    lines.length === 0 ? `no position is stored in ${keeper.description}` : lines.join('\n'),
  );
  return exitCode.done;
}

async function set(job: Job<SetOptions>): Promise<ExitCode> {
  const { keeper, sources } = await open(job);
  const { partition = 'source:', position = '' } = job.options;
  const checkpoint = await keeper.load();
  const others = Object.keys(checkpoint);
  if (job.options.partition === undefined && others.length > 0 && !others.includes(partition))
    throw badInput(`the source of this pipeline has partitions: name one with --partition, as in ${others.join(', ')}`);
  const source = sources[partition.split(':', 1)[0] ?? ''];
  if (source === undefined || !partition.includes(':')) {
    throw badInput(
      `--partition ${partition} names no source of this pipeline; it is one of ${Object.keys(sources)
        .map((id) => `${id}:<partition>`)
        .join(', ')}`,
    );
  }
  const asked = await storedPosition(source, parsePosition(position), checkpoint[partition]);
  let stored = asked;
  await keeper.change((claimed) => {
    stored = { ...asked, identity: (claimed[partition] ?? asked).identity };
    return { ...claimed, [partition]: stored };
  });
  job.output.result({ partition, ...stored }, `${partition}  ${JSON.stringify(stored.position)}`);
  return exitCode.done;
}

async function reset(job: Job<PartitionOptions>): Promise<ExitCode> {
  const { keeper } = await open(job);
  const { partition } = job.options;
  if (partition !== undefined && (await keeper.load())[partition] === undefined) {
    throw badInput(`no position is stored for --partition ${partition}; "sluice positions get" shows those that are`);
  }
  let forgotten: readonly string[] = [];
  await keeper.change((claimed) => {
    forgotten = Object.keys(claimed).filter((key) => partition === undefined || key === partition);
    return Object.fromEntries(Object.entries(claimed).filter(([key]) => !forgotten.includes(key)));
  });
  job.output.result(
    { forgotten },
    forgotten.length === 0 ? 'no position was stored' : forgotten.map((key) => `forgot ${key}`).join('\n'),
  );
  return exitCode.done;
}

async function open(
  job: Job<object>,
): Promise<{ readonly keeper: PositionKeeper; readonly sources: Readonly<Record<string, Source>> }> {
  const loaded = await job.load();
  const pipeline = preparePipeline(loaded);
  return { keeper: positionKeeper(loaded.definition, pipeline), sources: sourcesOf(loaded.definition) };
}

/** A position is only taken back by the system that it belongs to, so the identity is kept or asked for. */
async function storedPosition(
  source: Source,
  position: Position,
  before: StoredPosition | undefined,
): Promise<StoredPosition> {
  return {
    connector: source.connector.name,
    version: source.connector.source?.positionVersion ?? 1,
    identity: before === undefined ? await sourceIdentity(source) : before.identity,
    position,
  };
}

function parsePosition(text: string): Position {
  try {
    // What JSON.parse returns is a JSON value, which is what a position is.
    return JSON.parse(text) as Position;
  } catch (error) {
    throw badInput(`--position is not JSON: ${messageOf(error)}; copy the form that "sluice positions get" shows`);
  }
}
