import { distance } from 'fastest-levenshtein';
import { z } from 'zod';
import type { ConfigIssue } from './error.js';
import { redactText, secretsOf } from './redact.js';
import { holdsSecret, schemasAt } from './schema-walk.js';

type Issue = z.core.$ZodIssue;
type UnionIssue = z.core.$ZodIssueInvalidUnion;
type Path = readonly (string | number)[];

/** The keys that the schema knows, by the array of unknown keys of an issue. */
type KnownKeys = WeakMap<readonly string[], readonly string[]>;

/** Stands for "no text of the connector's author", which no author writes. */
const noText = '\0';

/**
 * What zod is to be given for a parse whose issues {@link configIssues} reads. zod shows the schema of an issue only to an
 * error map, so that is where the known keys are taken down.
 */
export function readingKnownKeys(): { readonly error: z.core.$ZodErrorMap; readonly keys: KnownKeys } {
  const keys: KnownKeys = new WeakMap();
  const error: z.core.$ZodErrorMap = (issue) => {
    if (issue.code === 'unrecognized_keys' && issue.inst instanceof z.ZodObject)
      keys.set(issue.keys, Object.keys(issue.inst.shape));
    return noText;
  };
  return { error, keys };
}

/** The problems of a config, each with its place and a text for people in which no secret appears. */
export function configIssues(
  schema: z.core.$ZodType,
  raw: unknown,
  issues: readonly Issue[],
  keys: KnownKeys,
): ConfigIssue[] {
  const secrets = secretsOf(schema, raw);
  const got = (path: Path): string => gotText(valueAt(raw, path), holdsSecret(schemasAt(schema, path)), secrets);
  return issues
    .flatMap((issue) => flatten(issue, []))
    .flatMap(({ path, issue }) => {
      if (issue.message !== noText) return [{ path, message: redactText(oneLine(issue.message), secrets) }];
      if (issue.code === 'unrecognized_keys') {
        return issue.keys.map((key) => ({
          path: [...path, key],
          message: unknownKeyText(key, keys.get(issue.keys) ?? []),
        }));
      }
      // What is wrong with an invalid key is the last part of its path, not the value there.
      if (issue.code === 'invalid_key') return [{ path, message: issueText(issue, literalText(path.at(-1))) }];
      return [{ path, message: issueText(issue, valueAt(raw, path) === undefined ? undefined : got(path)) }];
    });
}

/** A path as people write it: `brokers[0].host`. */
export function pathText(path: Path): string {
  return path
    .map((key, index) => {
      if (typeof key === 'number') return `[${key}]`;
      if (!/^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(key)) return `[${JSON.stringify(key)}]`;
      return index === 0 ? key : `.${key}`;
    })
    .join('');
}

/** An issue with its path from the root. Of a union, the issues of the branch that the value comes nearest to. */
function flatten(issue: Issue, parent: Path): { readonly path: Path; readonly issue: Issue }[] {
  const path = [...parent, ...issue.path.map((key) => (typeof key === 'number' ? key : String(key)))];
  const branch = issue.code === 'invalid_union' && issue.message === noText ? nearestBranch(issue) : undefined;
  return branch === undefined ? [{ path, issue }] : branch.flatMap((inner) => flatten(inner, path));
}

/** Undefined when the value is of another kind than every branch. */
function nearestBranch(issue: UnionIssue): readonly Issue[] | undefined {
  const branches: readonly (readonly Issue[])[] = issue.errors;
  const [nearest] = branches
    .filter((branch) => !branch.some(isOfAnotherKind))
    .map((branch) => ({ branch, distance: branch.reduce((sum, inner) => sum + weightOf(inner), 0) }))
    .sort((a, b) => a.distance - b.distance);
  return nearest?.branch;
}

function isOfAnotherKind(issue: Issue): boolean {
  if (issue.path.length > 0) return false;
  if (issue.code === 'invalid_union') return issue.errors.length > 0 && nearestBranch(issue) === undefined;
  return issue.code === 'invalid_type' || issue.code === 'invalid_value';
}

/** A wrong value of a literal weighs most, because literals tell branches apart. */
function weightOf(issue: Issue): number {
  if (issue.code === 'unrecognized_keys') return issue.keys.length;
  const tag = issue.code === 'invalid_value' || (issue.code === 'invalid_union' && issue.errors.length === 0);
  return tag ? 4 : 1;
}

/** The text of an issue whose author gave none; `got` is undefined when there is no value. */
function issueText(issue: Issue, got: string | undefined): string {
  const expected = expectedOf(issue);
  if (expected.length > 0) {
    const wanted = `expected ${alternatives(expected)}`;
    return got === undefined ? `missing, ${wanted}` : `${wanted}, got ${got}`;
  }
  if (issue.code === 'invalid_key') {
    const reasons = issue.issues.map((inner) =>
      inner.message === noText ? issueText(inner, got) : oneLine(inner.message),
    );
    return `invalid key: ${reasons.join(', ')}`;
  }
  if (issue.code === 'custom') return got === undefined ? 'invalid' : `invalid, got ${got}`;
  const text = defaultText(issue);
  return got === undefined ? text : `${text}, got ${got}`;
}

/** zod's own English text, which names the bound or format that was missed. */
function defaultText(issue: Issue): string {
  // The locale takes raw issues, which are finished ones whose text is not made yet.
  const made = z.locales.en().localeError(issue as z.core.$ZodRawIssue);
  const text = (typeof made === 'string' ? made : made?.message) ?? 'invalid';
  return text.charAt(0).toLowerCase() + text.slice(1);
}

const kinds: Readonly<Record<string, string>> = {
  int: 'integer',
  nonoptional: 'a value',
  never: 'nothing',
  nan: 'NaN',
};

/** What would have been right, when the issue is that something else is there. */
function expectedOf(issue: Issue): readonly string[] {
  switch (issue.code) {
    case 'invalid_type':
      return [kinds[issue.expected] ?? issue.expected];
    case 'invalid_value':
      return issue.values.map(literalText);
    case 'invalid_union':
      if (issue.errors.length > 0) return [...new Set(issue.errors.flat().flatMap(expectedOf))];
      return 'options' in issue ? (issue.options ?? []).map(literalText) : [];
    default:
      return [];
  }
}

function literalText(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

function alternatives(texts: readonly string[]): string {
  return texts.length < 2 ? texts.join('') : `${texts.slice(0, -1).join(', ')} or ${texts.at(-1)}`;
}

function gotText(value: unknown, isSecret: boolean, secrets: readonly string[]): string {
  if (value === null) return 'null';
  if (typeof value === 'object') return Array.isArray(value) ? 'array' : 'object';
  if (isSecret) return typeof value;
  if (typeof value === 'string') return `string ${JSON.stringify(shortened(redactText(value, secrets)))}`;
  if (typeof value === 'number' || typeof value === 'boolean')
    return `${typeof value} ${redactText(`${value}`, secrets)}`;
  return typeof value;
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function valueAt(raw: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    // Any object can be asked for any of its own keys.
    (value, key) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? (value as Record<string, unknown>)[key]
        : undefined,
    raw,
  );
}

function unknownKeyText(key: string, known: readonly string[]): string {
  const near = nearestKey(key, known);
  if (near !== undefined) return `unknown key, did you mean "${near}"?`;
  return known.length === 0 ? 'unknown key' : `unknown key, known are ${known.join(', ')}`;
}

/** The known key that was probably meant: at most a third of it differs, or its letters are in another order. */
function nearestKey(key: string, known: readonly string[]): string | undefined {
  const [nearest] = known
    .map((name) => ({ name, distance: distance(plain(name), plain(key)) }))
    .filter(({ name, distance }) => distance <= Math.max(name.length, key.length) / 3 || sorted(name) === sorted(key))
    .sort((a, b) => a.distance - b.distance);
  return nearest?.name;
}

/** So that `max_bytes` and `MaxBytes` are near to `maxBytes`. */
function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]/g, '');
}

function sorted(name: string): string {
  return plain(name).split('').sort().join('');
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}
