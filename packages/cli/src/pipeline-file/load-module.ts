import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { PipelineDefinition } from '@sluice/core';
import { importFile } from '../import-file.js';
import { messageOf } from '../message-of.js';
import { preparePipeline } from '../prepare-pipeline.js';
import { badInput } from '../problem.js';
import type { LoadedPipeline, LoadRequest } from './load.js';
import { pathKey } from './tree.js';

/**
 * Loads a pipeline that is written in code: the module exports its definition as `pipeline`. Code reads the environment by
 * itself, so there is nothing to merge, to put in or to set from the command line.
 *
 * @throws {BadInput}
 */
export async function loadModule(request: LoadRequest): Promise<LoadedPipeline> {
  const [file, ...others] = request.files;
  if (file === undefined || others.length > 0) {
    throw badInput(`a pipeline in code is not merged with other files; name one of ${request.files.join(', ')}`);
  }
  const [override] = request.overrides;
  if (override !== undefined) {
    throw badInput(`option --${override.name} cannot change a pipeline in code; read process.env in it instead`, {
      file,
    });
  }
  if (request.envFiles.length > 0) {
    throw badInput('option --env-file cannot change a pipeline in code; call process.loadEnvFile() in it instead', {
      file,
    });
  }
  const definition = (await importModule(file))['pipeline'];
  if (!isDefinition(definition)) {
    throw badInput('must export its definition: export const pipeline: PipelineDefinition = { name, source, sink }', {
      file,
    });
  }
  const loaded = { definition, tree: { value: {}, places: new Map([[pathKey([]), { file }]]), texts: new Map() } };
  preparePipeline(loaded); // no type check has seen it, and every command works on its parts
  return loaded;
}

async function importModule(file: string): Promise<Readonly<Record<string, unknown>>> {
  const path = resolve(file);
  if (!existsSync(path))
    throw badInput('the pipeline file cannot be read: there is no such file; check the path', { file });
  try {
    return await importFile(path);
  } catch (error) {
    throw badInput(`the pipeline cannot be loaded: ${messageOf(error)}`, { file }, error);
  }
}

function isDefinition(value: unknown): value is PipelineDefinition {
  if (typeof value !== 'object' || value === null) return false;
  const { name, source, sources, sink, sinks } = value as Partial<Record<keyof PipelineDefinition, unknown>>;
  // A name and the parts tell a definition from anything else; the rest is checked when the pipeline is built.
  return typeof name === 'string' && (source ?? sources) !== undefined && (sink ?? sinks) !== undefined;
}
