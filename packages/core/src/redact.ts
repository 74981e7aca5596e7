import type { z } from 'zod';
import { ConnectorError, type ErrorContext, isConnectorError } from './error.js';
import { childrenAt, holdsSecret, layersOf, type SecretMark, secretMark } from './schema-walk.js';

const hidden = '***';

/** From this length on a secret is replaced inside longer words too; a shorter one only where it stands alone. */
const shortestInsideWords = 4;

/** Under a key that the schema does not know, what is shorter is no secret: a `1` or `all` there would turn texts into stars. */
const shortestMisplaced = 4;

type Redact = (text: string) => string;

/**
 * A copy of a config with `***` in place of every secret, and of the password in every secret URL. What the schema does not
 * know is hidden too: a misspelt `password` is still one.
 */
export function redactConfig(schema: z.core.$ZodType, config: unknown): unknown {
  return mapSecrets([schema], config, (value, mark) => (mark === 'url' ? mapLeaves(value, hideCredentials) : hidden));
}

/**
 * The secrets of a config as strings, each once: what {@link redactText} and {@link redactError} take. What stands under a key
 * that the schema does not know is one of them if it has four characters or more and the schema knows any secret.
 */
export function secretsOf(schema: z.core.$ZodType, config: unknown): readonly string[] {
  if (!knowsSecret(schema)) return [];
  const secrets = new Set<string>();
  mapSecrets([schema], config, (value, mark) =>
    mapLeaves(value, (leaf) => {
      if (mark === 'unknown' && leaf.length < shortestMisplaced) return leaf;
      for (const secret of mark === 'url' ? credentialsIn(leaf) : [leaf]) secrets.add(secret);
      return leaf;
    }),
  );
  secrets.delete('');
  return [...secrets];
}

/** Whether schemas hold secrets, which takes a walk through all of it and is asked several times in each run. */
const known = new WeakMap<z.core.$ZodType, boolean>();

function knowsSecret(schema: z.core.$ZodType): boolean {
  const knows = known.get(schema) ?? holdsSecret([schema]);
  known.set(schema, knows);
  return knows;
}

/**
 * Replaces every occurrence of each secret by `***`: as it is, percent-encoded, escaped as in JSON, and in base64, also where
 * the base64 holds more than the secret (`user:password`). A secret of fewer than four characters is replaced only where no
 * letter or digit touches it, so that a password `a` does not turn texts into stars; inside a word it tells nobody anything.
 */
export function redactText(text: string, secrets: readonly string[]): string {
  return redactorOf(secrets)(text);
}

/**
 * A copy of an error whose message, stack, issues and whole cause chain are free of the secrets, also when it is inspected.
 * Native causes become plain errors with their name, message, stack, code and other plain data; objects that could hide a
 * secret deep inside (sockets, requests, buffers) are left out by name.
 */
export function redactError(error: ConnectorError, secrets: readonly string[]): ConnectorError {
  return secrets.length === 0 ? error : copyConnectorError(error, redactorOf(secrets), new Map());
}

function mapSecrets(
  schemas: Iterable<z.core.$ZodType>,
  value: unknown,
  hide: (value: unknown, mark: SecretMark | 'unknown') => unknown,
): unknown {
  if (value === undefined || value === null || typeof value === 'boolean') return value;
  const layers = layersOf(schemas);
  const marks = [...layers].map(secretMark);
  if (marks.includes('whole')) return hide(value, 'whole');
  if (marks.includes('url')) return hide(value, 'url');
  if (Array.isArray(value)) return value.map((item, index) => mapSecrets(childrenAt(layers, index), item, hide));
  if (isPlainObject(value)) {
    const strict = [...layers].some((layer) => layer._zod.def.type === 'object');
    return mapValues(value, (item, name) => {
      const children = childrenAt(layers, name);
      return strict && children.length === 0 ? hide(item, 'unknown') : mapSecrets(children, item, hide);
    });
  }
  // A string where an object with a secret belongs ("user:password") may hold that secret.
  return holdsSecret(layers) && ![...layers].some((layer) => takes(layer, value)) ? hide(value, 'whole') : value;
}

function takes(layer: z.core.$ZodTypes, value: unknown): boolean {
  const { def } = layer._zod;
  switch (def.type) {
    case 'string':
    case 'number':
      return typeof value === def.type;
    case 'literal':
      return def.values.some((literal) => literal === value);
    case 'enum':
      return Object.values(def.entries).some((entry) => entry === value);
    default:
      return false;
  }
}

function mapLeaves(value: unknown, map: Redact): unknown {
  if (typeof value === 'string') return map(value);
  if (typeof value === 'number' || typeof value === 'bigint' || value instanceof URL) return map(String(value));
  if (value instanceof Uint8Array) return map(Buffer.from(value).toString());
  if (Array.isArray(value)) return value.map((item) => mapLeaves(item, map));
  if (isPlainObject(value)) return mapValues(value, (item) => mapLeaves(item, map));
  return value;
}

// User-info, and parameters as libpq and others take them.
const credentials =
  /(:\/\/[^:/?#@\s]*:)([^/?#\s]*)(?=@)|([?&][^=&#\s]*(?:password|passwd|pwd|secret|token)[^=&#\s]*=)([^&#\s]*)/giu;
// What no parser understands (a raw "/" in the password, a list of URLs, no scheme): all from the first password to the last "@".
const brokenCredentials = /(^[^:/?#@\s]*:(?!\/\/)|:\/\/[^:/?#@\s]*:)(.*)(?=@)/su;

function hideCredentials(url: string): string {
  const text = isUrl(url) ? url : url.replace(brokenCredentials, `$1${hidden}`);
  return text.replaceAll(
    credentials,
    (_, user?: string, _password?: string, parameter?: string) => `${user ?? parameter ?? ''}${hidden}`,
  );
}

function credentialsIn(url: string): readonly string[] {
  const found = [...url.matchAll(credentials)].map((match) => match[2] ?? match[4] ?? '');
  const rest = isUrl(url) ? undefined : brokenCredentials.exec(url)?.[2];
  return [...found, ...(rest === undefined ? [] : [rest])].flatMap((text) => [text, decoded(text)]);
}

function isUrl(text: string): boolean {
  return text.includes('://') && URL.canParse(text);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A password with a raw "%" is what it is.
    return text;
  }
}

function redactorOf(secrets: readonly string[]): Redact {
  const longestFirst = [...new Set(secrets)].filter((secret) => secret !== '').sort((a, b) => b.length - a.length);
  if (longestFirst.length === 0) return (text) => text;
  const written = new RegExp(longestFirst.map(patternOf).join('|'), 'gu');
  return (text) =>
    text
      .replaceAll(/[A-Za-z0-9+/_-]{2,}={0,2}/g, (run) => (holdsEncoded(run, longestFirst) ? hidden : run))
      .replaceAll(written, hidden);
}

/** Matches a secret with each of its characters as it is, percent-encoded, or escaped as in JSON. */
function patternOf(secret: string): string {
  const pattern = Array.from(secret.toWellFormed(), (character) => {
    const percent = [...Buffer.from(character)].map((byte) => `%${hexOf(byte)}`).join('');
    const json = JSON.stringify(character).slice(1, -1);
    const forms = [escaped(character), percent, ...(json === character ? [] : [escaped(json)])];
    return `(?:${[...forms, ...(character === ' ' ? ['\\+'] : [])].join('|')})`;
  }).join('');
  return secret.length < shortestInsideWords ? `(?<![\\p{L}\\p{N}])${pattern}(?![\\p{L}\\p{N}])` : pattern;
}

function hexOf(byte: number): string {
  return byte
    .toString(16)
    .padStart(2, '0')
    .replaceAll(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** Whether a word is base64, in either alphabet, of something with a secret in it. What stands before it may shift it. */
function holdsEncoded(run: string, secrets: readonly string[]): boolean {
  return [0, 1, 2, 3].some((shift) => {
    const bytes = Buffer.from(run.slice(shift), 'base64');
    const text = bytes.toString();
    return secrets.some((secret) =>
      secret.length < shortestInsideWords ? text === secret || text.endsWith(`:${secret}`) : bytes.includes(secret),
    );
  });
}

function copyConnectorError(error: ConnectorError, redact: Redact, seen: Map<object, unknown>): ConnectorError {
  // The names of connector and direction are public, also where a password is "postgres".
  const head = [error.connector, error.direction].filter(Boolean).join(' ');
  const rest = error.message.startsWith(head) ? error.message.slice(head.length) : undefined;
  const message = rest === undefined ? redact(error.message) : head + redact(rest);
  const copy = new ConnectorError(error.code, message, {
    ...contextOf(error, redact),
    issues: error.issues.map((issue) => ({
      path: issue.path.map((key) => (typeof key === 'string' ? redact(key) : key)),
      message: redact(issue.message),
    })),
    ...(error.cause === undefined ? {} : { cause: copyValue(error.cause, redact, seen) }),
  });
  setStack(copy, error, redact);
  return copy;
}

function contextOf(error: ConnectorError, redact: Redact): ErrorContext & { readonly retryAfterMs?: number } {
  return {
    ...(error.connector === undefined ? {} : { connector: error.connector }),
    ...(error.direction === undefined ? {} : { direction: error.direction }),
    ...(error.operation === undefined ? {} : { operation: error.operation }),
    ...(error.partition === undefined ? {} : { partition: redact(error.partition) }),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  };
}

function copyError(error: Error, redact: Redact, seen: Map<object, unknown>): Error {
  if (isConnectorError(error)) return copyConnectorError(error, redact, seen);
  // Of a foreign error not even the message is sure to be a string.
  const copy = new Error(redact(String(error.message)));
  seen.set(error, copy);
  setStack(copy, error, redact);
  Object.defineProperty(copy, 'name', { value: redact(String(error.name)), configurable: true, writable: true });
  for (const [name, property] of dataProperties(error)) {
    const value = name in copy ? undefined : copyValue(property.value, redact, seen);
    if (value !== undefined) Object.defineProperty(copy, redact(name), { ...property, value });
  }
  return copy;
}

/** Own properties without getters, which may throw or compute anything. */
function dataProperties(value: object): readonly (readonly [string, PropertyDescriptor])[] {
  return Object.entries(Object.getOwnPropertyDescriptors(value)).filter(([, property]) => 'value' in property);
}

function setStack(copy: Error, error: Error, redact: Redact): void {
  const frames = String(error.stack)
    .split(/\n(?=\s+at )/)
    .slice(1);
  const value = [`${redact(String(error.name))}: ${copy.message}`, ...frames.map(redact)].join('\n');
  Object.defineProperty(copy, 'stack', { value, configurable: true, writable: true });
}

function copyValue(value: unknown, redact: Redact, seen: Map<object, unknown>): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (typeof value === 'number' || typeof value === 'bigint')
    return redact(String(value)) === String(value) ? value : hidden;
  if (typeof value === 'string') return redact(value);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  const known = seen.get(value);
  if (known !== undefined) return known;
  if (value instanceof Error) return copyError(value, redact, seen);
  // A cycle ends here; an error that refers to itself is found above.
  seen.set(value, '[circular]');
  const copy = Array.isArray(value)
    ? value.map((item) => copyValue(item, redact, seen))
    : isPlainObject(value)
      ? Object.fromEntries(
          dataProperties(value).map(([name, property]) => [redact(name), copyValue(property.value, redact, seen)]),
        )
      : `[${value.constructor?.name ?? 'object'}]`;
  seen.set(value, copy);
  return copy;
}

function mapValues(
  value: Readonly<Record<string, unknown>>,
  map: (item: unknown, name: string) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, map(item, name)]));
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
