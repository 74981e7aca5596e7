import { dirname } from 'node:path';
import {
  type DeadLetterDefinition,
  fileCheckpoints,
  memoryCheckpoints,
  type PipelineDefinition,
  type Sink,
  type Source,
  type Transform,
} from '@sluice/core';
import { parseConfig } from '@sluice/core/driver';
import { BadInput, type Problem } from '../problem.js';
import type { ResolvedConnector } from '../resolve-connector.js';
import { attempt, problemAt } from './attempt.js';
import { endpointsOf } from './endpoint.js';
import { loadTransform, TransformNotLoaded } from './load-transform.js';
import { type BranchFields, type DeadLetterFields, PipelineFile } from './schema.js';
import { isMap, type Path, pathKey, placeOf, type Tree, valueAt } from './tree.js';

/** The parts of a pipeline file that became something that runs, by {@link pathKey}. */
interface Built {
  readonly endpoints: ReadonlyMap<string, Source | Sink>;
  readonly steps: ReadonlyMap<string, readonly Transform[]>;
}

/**
 * Makes a definition of a pipeline file.
 *
 * @param connectors by the {@link pathKey} of the part that names them
 * @param known problems that were found before, to be told with the others
 * @throws {BadInput} with all problems of the file, its connectors' configs and its transforms
 */
export async function buildDefinition(
  tree: Tree,
  connectors: ReadonlyMap<string, ResolvedConnector>,
  known: readonly Problem[],
): Promise<PipelineDefinition> {
  const found: Problem[] = [...wrongNumberOfParts(tree)];
  const outer = attempt(tree, [], (value) => parseConfig(PipelineFile, value, 'pipeline file'));
  if ('problems' in outer) found.push(...outer.problems);
  const endpoints = configureEndpoints(tree, connectors, found);
  const steps = await loadTransforms(tree, found);
  const problems = [...known, ...found.filter((problem) => !isToldAlready(problem, known))];
  if ('problems' in outer || problems.length > 0) throw new BadInput(problems);
  return definitionOf(outer.result, { endpoints, steps });
}

/** A value that is missing because of a problem that is told is no problem of its own. */
function isToldAlready({ path = [] }: Problem, known: readonly Problem[]): boolean {
  return known.some((other) => other.path !== undefined && pathKey(other.path) === pathKey(path));
}

function wrongNumberOfParts(tree: Tree): readonly Problem[] {
  // Of a list or a text, that it is one says enough; an empty file is a map without fields.
  if (tree.value !== null && !isMap(tree.value)) return [];
  return (['source', 'sink'] as const).flatMap((one) => {
    const several = `${one}s`;
    const both = valueAt(tree.value, [several]) !== undefined;
    if (both !== (valueAt(tree.value, [one]) !== undefined)) return [];
    return [problemAt(tree, both ? [several] : [], `needs a "${one}" or "${several}", and not both`)];
  });
}

function configureEndpoints(
  tree: Tree,
  connectors: ReadonlyMap<string, ResolvedConnector>,
  problems: Problem[],
): ReadonlyMap<string, Source | Sink> {
  const endpoints = new Map<string, Source | Sink>();
  for (const { path, direction } of endpointsOf(tree.value)) {
    const connector = connectors.get(pathKey(path))?.connector;
    if (connector === undefined) continue;
    const codec = valueAt(tree.value, [...path, 'codec']);
    // A codec that does not exist is a problem of the pipeline file, which is told with the others.
    const options = isCodecName(codec) ? { codec } : {};
    // That the connector cannot do it at all is a problem of its name.
    const field = connector.descriptor[direction] === undefined ? 'connector' : 'config';
    const made = attempt(tree, [...path, field], (config) => connector[direction](config, options));
    if ('problems' in made) problems.push(...made.problems);
    else endpoints.set(pathKey(path), made.result);
  }
  return endpoints;
}

function isCodecName(codec: unknown): codec is NonNullable<BranchFields['codec']> {
  return PipelineFile.shape.source.unwrap().shape.codec.unwrap().safeParse(codec).success;
}

/** Loads each list of transforms of a file; relative paths count from the file in which they are written. */
async function loadTransforms(tree: Tree, problems: Problem[]): Promise<ReadonlyMap<string, readonly Transform[]>> {
  const loaded = new Map<string, readonly Transform[]>();
  const lists: readonly Path[] = [
    ['transforms'],
    ...endpointsOf(tree.value)
      .filter(({ path }) => path[0] === 'sinks' && path.length === 2)
      .map(({ path }) => [...path, 'transforms']),
  ];
  for (const list of lists) {
    const paths = valueAt(tree.value, list);
    if (!Array.isArray(paths)) continue;
    const steps: Transform[] = [];
    for (const [index, path] of paths.entries()) {
      if (typeof path !== 'string') continue;
      try {
        steps.push(...(await loadTransform(path, folderOf(tree, [...list, index]))));
      } catch (error) {
        if (!(error instanceof TransformNotLoaded)) throw error;
        problems.push(problemAt(tree, [...list, index], error.message));
      }
    }
    loaded.set(pathKey(list), steps);
  }
  return loaded;
}

/** The folder that a relative path at this place counts from: its file's, or the working directory for command line options. */
export function folderOf(tree: Tree, path: Path): string {
  const place = placeOf(tree, path);
  return place?.line === undefined ? process.cwd() : dirname(place.file);
}

function definitionOf(file: PipelineFile, built: Built): PipelineDefinition {
  const { source, sources, sink, sinks, transforms: _paths, deadLetter, checkpoints, ...rest } = file;
  const steps = built.steps.get(pathKey(['transforms']));
  return withoutUndefined<PipelineDefinition>({
    ...rest,
    source: source && sourceAt(built, ['source']),
    sources: sources && mapIds(sources, (_, id) => sourceAt(built, ['sources', id])),
    transforms: steps,
    sink: sink && sinkAt(built, ['sink']),
    sinks: sinks && mapIds(sinks, (branch, id) => branchOf(built, ['sinks', id], branch)),
    deadLetter: deadLetter && deadLetterOf(built, ['deadLetter'], deadLetter),
    checkpoints:
      checkpoints && (checkpoints === 'memory' ? memoryCheckpoints() : fileCheckpoints({ path: checkpoints.path })),
  });
}

function branchOf(built: Built, path: Path, { deadLetter }: BranchFields) {
  return withoutUndefined({
    sink: sinkAt(built, path),
    transforms: built.steps.get(pathKey([...path, 'transforms'])),
    deadLetter: deadLetter && deadLetterOf(built, [...path, 'deadLetter'], deadLetter),
  });
}

function deadLetterOf(built: Built, path: Path, { maxRatio, window }: DeadLetterFields): DeadLetterDefinition {
  return withoutUndefined({ sink: sinkAt(built, path), maxRatio, window });
}

function sourceAt(built: Built, path: Path): Source {
  const part = built.endpoints.get(pathKey(path));
  if (part?.direction !== 'source') throw new Error(`no source was made of ${path.join('.')}`);
  return part;
}

function sinkAt(built: Built, path: Path): Sink {
  const part = built.endpoints.get(pathKey(path));
  if (part?.direction !== 'sink') throw new Error(`no sink was made of ${path.join('.')}`);
  return part;
}

function mapIds<T, R>(parts: Readonly<Record<string, T>>, make: (part: T, id: string) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(parts).map(([id, part]) => [id, make(part, id)]));
}

/** A field that is absent from the file is absent from the definition, where undefined would be refused. */
type Loose<T> = { readonly [K in keyof T]: T[K] | undefined };

function withoutUndefined<T extends object>(fields: Loose<T>): T {
  // Only optional fields can be undefined here: the pipeline file's schema requires the others.
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}
