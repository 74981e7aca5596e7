import {
  type CheckpointStore,
  fileCheckpoints,
  isConnectorError,
  type Pipeline,
  type PipelineDefinition,
  type PipelineEvent,
  pipeline,
} from '@sluice/core';
import { problemsOf } from './pipeline-file/attempt.js';
import type { LoadedPipeline } from './pipeline-file/load.js';
import { BadInput } from './problem.js';

/** Where a pipeline keeps positions that nobody else keeps. */
export function storeOf(definition: PipelineDefinition): CheckpointStore {
  return definition.checkpoints ?? fileCheckpoints({ path: '.sluice/checkpoints' });
}

/**
 * Makes the pipeline of what was loaded. Opens nothing.
 *
 * @throws {BadInput} when the parts do not go together
 */
export function preparePipeline(
  loaded: LoadedPipeline,
  onEvent: (event: PipelineEvent) => void = () => undefined,
): Pipeline {
  const { definition } = loaded;
  try {
    return pipeline({
      ...definition,
      checkpoints: storeOf(definition),
      onEvent: (event) => {
        definition.onEvent?.(event);
        onEvent(event);
      },
    });
  } catch (error) {
    throw withPlaces(loaded, error);
  }
}

/**
 * Makes the pipeline of what was loaded, and looks outside whether its parts are in each other's way. Opens nothing.
 *
 * @throws {BadInput}
 */
export async function validPipeline(
  loaded: LoadedPipeline,
  onEvent?: (event: PipelineEvent) => void,
): Promise<Pipeline> {
  const prepared = preparePipeline(loaded, onEvent);
  try {
    await prepared.validate();
  } catch (error) {
    throw withPlaces(loaded, error);
  }
  return prepared;
}

function withPlaces({ tree }: LoadedPipeline, error: unknown): unknown {
  return isConnectorError(error) ? new BadInput(problemsOf(tree, [], error), error) : error;
}
