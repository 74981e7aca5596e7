import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { MapFunction, Transform } from '@sluice/core';
import { importFile } from '../import-file.js';
import { messageOf } from '../message-of.js';

/** A transform module cannot be used; the text says why. */
export class TransformNotLoaded extends Error {
  override readonly name = 'TransformNotLoaded';
}

/**
 * Loads the steps of one transform module. It exports `transform`: a step made by `map`, `filter` or `flatMap`, a list of
 * such steps, or a plain function, which is a `map`.
 *
 * @throws {TransformNotLoaded} when it is not there, cannot be loaded, or exports something else
 */
export async function loadTransform(path: string, folder: string): Promise<readonly Transform[]> {
  const file = resolve(folder, path);
  if (!existsSync(file))
    throw new TransformNotLoaded(`transform ${path} is not there: no file ${file}; check the path`);
  if (statSync(file).isDirectory())
    throw new TransformNotLoaded(
      `transform ${path} is the folder ${file}; name the file in it that exports "transform"`,
    );
  const exported = await importTransform(path, file);
  const steps: readonly unknown[] = Array.isArray(exported) ? exported : [exported];
  return steps.map((step) => {
    // Functions of a user's module cannot be checked further than that they are functions.
    if (typeof step === 'function') return { kind: 'map', apply: step as MapFunction, label: path };
    if (isTransform(step)) return { label: path, ...step };
    throw new TransformNotLoaded(
      `transform ${path} must export "transform": a function from message to message, or map(), filter() or flatMap() of ` +
        `@sluice/core, or a list of these; it exports ${exported === undefined ? 'no "transform"' : `a ${typeof step}`}`,
    );
  });
}

async function importTransform(path: string, file: string): Promise<unknown> {
  try {
    return (await importFile(file))['transform'];
  } catch (error) {
    throw new TransformNotLoaded(`transform ${path} cannot be loaded: ${messageOf(error)}`, { cause: error });
  }
}

function isTransform(value: unknown): value is Transform {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, apply } = value as { readonly kind?: unknown; readonly apply?: unknown };
  return (kind === 'map' || kind === 'filter' || kind === 'flatMap') && typeof apply === 'function';
}
