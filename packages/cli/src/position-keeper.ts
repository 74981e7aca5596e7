import {
  type Checkpoint,
  type CheckpointStore,
  ConnectorError,
  type Pipeline,
  type PipelineDefinition,
  type Sink,
} from '@sluice/core';
import { wrapError } from '@sluice/core/driver';
import { storeOf } from './prepare-pipeline.js';

/** Who keeps the positions of a pipeline, as far as tools can read and change them. */
export interface PositionKeeper {
  /** For people: `file .sluice/checkpoints`. */
  readonly description: string;
  load(): Promise<Checkpoint>;
  /** Replaces all positions. Refused while the pipeline runs. */
  save(checkpoint: Checkpoint): Promise<void>;
}

/**
 * The keeper of a pipeline's positions: its one atomic sink, or the checkpoint store.
 *
 * @throws {ConnectorError} `unsupported` when they are kept where no tool of Sluice reaches
 */
export function positionKeeper(definition: PipelineDefinition, { name, guarantee }: Pipeline): PositionKeeper {
  const owners = new Set(Object.values(guarantee.owners));
  if (owners.has('sink')) return sinkKeeper(name, onlySink(definition));
  if (!owners.has('store')) {
    const reason = owners.has('source')
      ? 'the outside system that it reads from keeps them; use the tools of that system'
      : 'nobody keeps any, because its source cannot be read again';
    throw new ConnectorError('unsupported', `pipeline "${name}" has no positions to work on: ${reason}`);
  }
  return storeKeeper(name, storeOf(definition));
}

/** All that `sluice teardown` can forget: what the store holds, and what an atomic sink keeps that removes nothing itself. */
export function removableKeepers(
  definition: PipelineDefinition,
  { name, guarantee }: Pipeline,
): readonly PositionKeeper[] {
  const keepers = [storeKeeper(name, storeOf(definition))];
  if (!Object.values(guarantee.owners).includes('sink')) return keepers;
  const sink = onlySink(definition);
  const { positions, teardown } = sink.connector.sink ?? {};
  return positions === undefined || teardown !== undefined ? keepers : [...keepers, sinkKeeper(name, sink)];
}

function storeKeeper(name: string, store: CheckpointStore): PositionKeeper {
  return {
    description: store.description,
    load: () => store.load(name),
    save: async (checkpoint) => {
      const claim = await store.claim(name);
      try {
        await claim.save(checkpoint);
      } finally {
        await claim.release();
      }
    },
  };
}

function sinkKeeper(name: string, sink: Sink): PositionKeeper {
  const { connector, config, options } = sink;
  const positions = connector.sink?.positions;
  if (positions === undefined) {
    throw new ConnectorError(
      'unsupported',
      `${connector.name} sink keeps the positions of pipeline "${name}" together with the data, and cannot show them`,
    );
  }
  const wrap = (operation: string) => (error: unknown) => {
    throw wrapError(error, connector.classify, { connector: connector.name, direction: 'sink', operation });
  };
  return {
    description: `the ${connector.name} sink`,
    load: () => positions.load(config, options, name).catch(wrap('show positions')),
    save: (checkpoint) => positions.save(config, options, name, checkpoint).catch(wrap('change positions')),
  };
}

/** Only a pipeline with one sink lets the sink keep the positions. */
function onlySink(definition: PipelineDefinition): Sink {
  const [branch] = [definition.sink, ...Object.values(definition.sinks ?? {})].filter((part) => part !== undefined);
  if (branch === undefined) throw new Error('the pipeline has no sink');
  return 'sink' in branch ? branch.sink : branch;
}
