import { closest } from 'fastest-levenshtein';
import type { z } from 'zod';
import type { Problem } from '../problem.js';
import { fieldPaths } from './field-path.js';
import { flowValueOf } from './scalar.js';
import { PipelineFile } from './schema.js';
import { isMap, type Path, type Place, pathKey, type Tree, withValueAt } from './tree.js';

/** A value from the command line: `--source-port 7300`. */
export interface Override {
  /** Without the dashes: `source-port`. */
  readonly name: string;
  readonly text: string;
}

/** Names of options and the field that each one sets. */
export type OverrideNames = ReadonlyMap<string, Path>;

/** The config schema of a connector that a pipeline file uses, and where. */
export interface UsedSchema {
  readonly path: Path;
  readonly config: z.ZodType;
}

/**
 * The command line options that a pipeline file has: the kebab-case of the path, with the step `config` left out. Where that
 * is the name of two fields, the pipeline's own wins, and the connector's is reached with `config` (`--source-config-codec`).
 */
export function overrideNames(file: unknown, schemas: readonly UsedSchema[]): OverrideNames {
  const names = new Map<string, Path>();
  const add = (path: Path, name: Path): void => {
    if (!names.has(kebab(name))) names.set(kebab(name), path);
  };
  const own = fieldPaths(PipelineFile);
  for (const path of own) add(path, path);
  for (const [several, one] of [
    ['sources', 'source'],
    ['sinks', 'sink'],
  ] as const) {
    const parts = isMap(file) && isMap(file[several]) ? file[several] : {};
    const fields = own.filter((path) => path[0] === one && path.length > 1).map((path) => path.slice(1));
    const deadLetter = own.filter((path) => several === 'sinks' && path[0] === 'deadLetter');
    for (const id of Object.keys(parts))
      for (const field of [...fields, ...deadLetter]) add([several, id, ...field], [several, id, ...field]);
  }
  for (const { path, config } of schemas) {
    for (const field of fieldPaths(config)) {
      add([...path, 'config', ...field], [...path, ...field]);
      add([...path, 'config', ...field], [...path, 'config', ...field]);
    }
  }
  return names;
}

/** Sets the values whose names are known, and returns the others. A later option wins over an earlier one of the same name. */
export function applyOverrides(
  tree: Tree,
  overrides: readonly Override[],
  names: OverrideNames,
): { readonly tree: Tree; readonly unknown: readonly Override[] } {
  let { value } = tree;
  const places = new Map<string, Place>(tree.places);
  const texts = new Map(tree.texts);
  const unknown: Override[] = [];
  for (const override of overrides) {
    const path = names.get(override.name);
    if (path === undefined) {
      unknown.push(override);
      continue;
    }
    value = withValueAt(value, path, flowValueOf(override.text));
    places.set(pathKey(path), { file: `--${override.name}` });
    texts.set(pathKey(path), override.text);
  }
  return { tree: { value, places, texts }, unknown };
}

/** The problems of options that no field and no option of the command has. */
export function unknownOptions(unknown: readonly Override[], known: readonly string[]): readonly Problem[] {
  return unknown.map(({ name }) => ({
    message: `unknown option --${name}; did you mean --${closest(name, [...known])}? Fields are set by their path, as --source-port`,
  }));
}

function kebab(path: Path): string {
  return path
    .map((step) =>
      String(step)
        .replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2')
        .toLowerCase(),
    )
    .join('-');
}
