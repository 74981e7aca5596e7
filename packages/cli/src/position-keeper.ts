import {
  type Checkpoint,
  type CheckpointStore,
  ConnectorError,
  isConnectorError,
  type Pipeline,
  type PipelineDefinition,
  type Sink,
} from '@sluice/core';
import { withoutStop, wrapError } from '@sluice/core/driver';
import { storeOf } from './prepare-pipeline.js';
import { badInput } from './problem.js';

/** Who keeps the positions of a pipeline, as far as tools can read and change them. */
export interface PositionKeeper {
  /** For people: `file .sluice/checkpoints`. */
  readonly description: string;
  load(): Promise<Checkpoint>;
  /**
   * Claims the positions, so that none moves any more, and replaces them all by what `change` makes of those that are stored
   * then. A pipeline that runs is fenced, or this is refused while it does.
   */
  change(change: (stored: Checkpoint) => Checkpoint): Promise<void>;
}

/**
 * The keeper of a pipeline's positions: its one atomic sink, or the checkpoint store.
 *
 * @throws {BadInput} when they are kept where no tool of Sluice reaches
 */
export function positionKeeper(definition: PipelineDefinition, pipeline: Pipeline): PositionKeeper {
  const keeper = findKeeper(definition, pipeline);
  if (typeof keeper === 'string') throw badInput(keeper);
  return keeper;
}

/** An error that ended a run; where the source's stored position is lost, with the command that forgets it. */
export function withReset(error: unknown, definition: PipelineDefinition, pipeline: Pipeline): unknown {
  if (!isConnectorError(error) || error.code !== 'position_lost' || error.direction !== 'source') return error;
  if (typeof findKeeper(definition, pipeline) === 'string') return error;
  const text = `${withoutStop(error.message)}. "sluice positions reset" forgets the stored position.`;
  return new ConnectorError(error.code, text, { cause: error });
}

/** The keeper, or why there is none. */
function findKeeper(definition: PipelineDefinition, { name, guarantee }: Pipeline): PositionKeeper | string {
  const owners = new Set(Object.values(guarantee.owners));
  if (owners.has('sink')) {
    const sink = onlySink(definition);
    return (
      sinkKeeper(name, sink) ??
      `${sink.connector.name} sink keeps the positions of pipeline "${name}" together with the data, and cannot show them`
    );
  }
  if (owners.has('store')) return storeKeeper(name, storeOf(definition));
  const reason = owners.has('source')
    ? 'the outside system that it reads from keeps them; use the tools of that system'
    : 'nobody keeps any, because its source cannot be read again';
  return `pipeline "${name}" has no positions to work on: ${reason}`;
}

/** All that `sluice teardown` can forget: what the store holds, and what an atomic sink keeps that removes nothing itself. */
export function removableKeepers(
  definition: PipelineDefinition,
  { name, guarantee }: Pipeline,
): readonly PositionKeeper[] {
  const keepers = [storeKeeper(name, storeOf(definition))];
  if (!Object.values(guarantee.owners).includes('sink')) return keepers;
  const sink = onlySink(definition);
  const keeper = sink.connector.sink?.teardown === undefined ? sinkKeeper(name, sink) : undefined;
  return keeper === undefined ? keepers : [...keepers, keeper];
}

function storeKeeper(name: string, store: CheckpointStore): PositionKeeper {
  return {
    description: store.description,
    load: () => store.load(name),
    change: async (change) => {
      const claim = await store.claim(name);
      try {
        await claim.save(change(claim.checkpoint));
      } finally {
        await claim.release();
      }
    },
  };
}

/** Undefined when the sink cannot show the positions that it keeps. */
function sinkKeeper(name: string, sink: Sink): PositionKeeper | undefined {
  const { connector, config, options } = sink;
  const positions = connector.sink?.positions;
  if (positions === undefined) return undefined;
  const wrap = (operation: string) => (error: unknown) => {
    throw wrapError(error, connector.classify, { connector: connector.name, direction: 'sink', operation });
  };
  return {
    description: `the ${connector.name} sink`,
    load: () => positions.load(config, options, name).catch(wrap('show positions')),
    change: (change) => positions.change(config, options, name, change).catch(wrap('change positions')),
  };
}

/** Only a pipeline with one sink lets the sink keep the positions. */
function onlySink(definition: PipelineDefinition): Sink {
  const [branch] = [definition.sink, ...Object.values(definition.sinks ?? {})].filter((part) => part !== undefined);
  if (branch === undefined) throw new Error('the pipeline has no sink');
  return 'sink' in branch ? branch.sink : branch;
}
