import { type ConfigIssue, type ConnectorError, isConnectorError } from '@sluice/core';
import type { Problem } from '../problem.js';
import { type Path, pathKey, placeOf, type Tree, valueAt, withValueAt } from './tree.js';

/** What came of {@link attempt}. */
export type Attempt<T> = { readonly result: T } | { readonly problems: readonly Problem[] };

/**
 * Gives the part of a pipeline file at `path` to a function that checks it, and turns what it complains about into problems
 * with their place in the file.
 *
 * A value that was typed by its looks and is refused is tried again as the text it was, so a field that takes a string gets
 * one. If the text is refused as well, the complaint about the typed value counts.
 */
export function attempt<T>(tree: Tree, path: Path, check: (value: unknown) => T): Attempt<T> {
  const first = run(check, valueAt(tree.value, path));
  if ('result' in first) return first;
  const asText = first.error.issues.filter((issue) => tree.texts.has(pathKey([...path, ...issue.path])));
  if (asText.length === 0) return { problems: problemsOf(tree, path, first.error) };
  const value = asText.reduce<unknown>(
    (current, issue) => withValueAt(current, issue.path, tree.texts.get(pathKey([...path, ...issue.path]))),
    valueAt(tree.value, path),
  );
  const second = run(check, value);
  if ('result' in second) return second;
  const stillWrong = second.error.issues.some((issue) => asText.some((other) => samePath(issue, other)));
  return { problems: problemsOf(tree, path, stillWrong ? first.error : second.error) };
}

/** The problems that an error of the core tells, each with its place. */
export function problemsOf(tree: Tree, path: Path, error: ConnectorError): readonly Problem[] {
  const issues: readonly ConfigIssue[] =
    error.issues.length === 0 ? [{ path: [], message: error.message }] : error.issues;
  return issues.map((issue) => problemAt(tree, [...path, ...issue.path], issue.message));
}

/** A problem with the value at a path. */
export function problemAt(tree: Tree, path: Path, message: string): Problem {
  const place = placeOf(tree, path);
  return { message, path, ...(place === undefined ? {} : { place }) };
}

function run<T>(
  check: (value: unknown) => T,
  value: unknown,
): { readonly result: T } | { readonly error: ConnectorError } {
  try {
    return { result: check(value) };
  } catch (error) {
    if (isConnectorError(error) && (error.code === 'config_invalid' || error.code === 'unsupported')) return { error };
    throw error;
  }
}

function samePath(one: ConfigIssue, other: ConfigIssue): boolean {
  return pathKey(one.path) === pathKey(other.path);
}
