import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { PipelineDefinition } from '@sluice/core';
import { findConnector } from '../find-connector.js';
import { badInput, type Problem } from '../problem.js';
import { ConnectorNotFound, type ResolvedConnector } from '../resolve-connector.js';
import { problemAt } from './attempt.js';
import { buildDefinition, folderOf } from './build.js';
import { endpointsOf } from './endpoint.js';
import { type Environment, withEnvFiles } from './environment.js';
import { interpolate } from './interpolate.js';
import { loadModule } from './load-module.js';
import { mergeTrees } from './merge.js';
import { applyOverrides, type Override, overrideNames, type UsedSchema, unknownOptions } from './override.js';
import { isModule, readPipelineFile } from './read.js';
import { pathKey, type Tree } from './tree.js';

/** What a user says about the pipeline to work with. */
export interface LoadRequest {
  /** In the order in which they are merged. */
  readonly files: readonly string[];
  readonly envFiles: readonly string[];
  readonly overrides: readonly Override[];
  readonly environment: Environment;
  /** The command's own options, without dashes: what a misspelt one may have meant. */
  readonly options: readonly string[];
  /** Told of every text that must never be printed. */
  readonly onSecret: (text: string) => void;
}

/** A definition, and the file to name when it turns out to be wrong as a whole. */
export interface LoadedPipeline {
  readonly definition: PipelineDefinition;
  readonly tree: Tree;
}

/**
 * Reads pipeline files, puts in variables, merges them, applies what the command line says, finds the connectors and makes a
 * definition. Nothing is opened.
 *
 * @throws {BadInput} with every problem that could be found
 */
export async function loadPipeline(request: LoadRequest): Promise<LoadedPipeline> {
  const [first] = request.files;
  if (first === undefined) throw badInput('no pipeline file was given; name one, as in: sluice run pipeline.yaml');
  if (request.files.some(isModule)) return await loadModule(request);
  const environment = await withEnvFiles(request.environment, request.envFiles);
  const { tree: merged, problems: unset } = await readAll(request, environment);

  const own = applyOverrides(merged, request.overrides, overrideNames(merged.value, []));
  const { connectors, problems: missing } = await findConnectors(own.tree);
  const names = overrideNames(own.tree.value, usedSchemas(own.tree, connectors));
  const { tree, unknown } = applyOverrides(own.tree, own.unknown, names);
  // While a connector is missing, an option that would be its own cannot be told from a wrong one.
  const strange = missing.length > 0 ? [] : unknownOptions(unknown, [...request.options, ...names.keys()]);
  return { definition: await buildDefinition(tree, connectors, [...unset, ...missing, ...strange]), tree };
}

async function readAll(request: LoadRequest, environment: Environment): Promise<ReturnType<typeof interpolate>> {
  const trees: Tree[] = [];
  const problems: Problem[] = [];
  for (const file of request.files) {
    const tree = await readPipelineFile(file);
    const filled = interpolate(tree, {
      environment,
      readFile: (path) => readFileSync(resolve(dirname(file), path), 'utf8'),
      onSecret: request.onSecret,
    });
    trees.push(filled.tree);
    problems.push(...filled.problems);
  }
  return { tree: trees.reduce(mergeTrees), problems };
}

async function findConnectors(tree: Tree): Promise<{
  readonly connectors: ReadonlyMap<string, ResolvedConnector>;
  readonly problems: readonly Problem[];
}> {
  const connectors = new Map<string, ResolvedConnector>();
  const problems: Problem[] = [];
  for (const { path, connector } of endpointsOf(tree.value)) {
    const folder = folderOf(tree, [...path, 'connector']);
    try {
      connectors.set(pathKey(path), await findConnector(connector, [folder, process.cwd()]));
    } catch (error) {
      if (!(error instanceof ConnectorNotFound)) throw error;
      problems.push(problemAt(tree, [...path, 'connector'], error.message));
    }
  }
  return { connectors, problems };
}

function usedSchemas(tree: Tree, connectors: ReadonlyMap<string, ResolvedConnector>): readonly UsedSchema[] {
  return endpointsOf(tree.value).flatMap(({ path, direction }) => {
    const config = connectors.get(pathKey(path))?.connector.descriptor[direction]?.config;
    return config === undefined ? [] : [{ path, config }];
  });
}
