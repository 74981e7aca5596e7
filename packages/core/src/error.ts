/** What the engine does about an error: back off and try again, give up on the message, or stop. */
export type Outcome = 'retryable' | 'invalid' | 'fatal';

/** Every error code with its default outcome. The list is closed. */
export const errorOutcomes = {
  /** The config or pipeline file is wrong. */
  config_invalid: 'fatal',
  /** The system does not accept the credentials. */
  unauthenticated: 'fatal',
  /** The credentials are good but lack a right. */
  permission_denied: 'fatal',
  /** The topic, table, queue, bucket or file does not exist. */
  not_found: 'fatal',
  /** The connection is gone or was refused: the driver is closed and opened again, without limit once it had been open. */
  not_connected: 'retryable',
  /** The system did not answer in time; whether it did what was asked is not known. */
  timeout: 'retryable',
  /** The system asks to slow down. */
  rate_limited: 'retryable',
  /** A disk, a quota or memory is full. */
  resource_exhausted: 'retryable',
  /** A deadlock or a serialization failure: the same again may succeed. */
  conflict: 'retryable',
  /** This message can never be written or decoded. */
  message_invalid: 'invalid',
  /** This message is above a limit of the system. */
  message_too_large: 'invalid',
  /** The system or the connector cannot do what the config promises. */
  unsupported: 'fatal',
  /** The stored position is unreadable, gone, or of another system. */
  position_lost: 'fatal',
  /** The partition belongs to somebody else now. */
  lease_lost: 'retryable',
  /** A newer instance of the same pipeline has taken over. */
  fenced: 'fatal',
  /** The caller aborted. */
  aborted: 'fatal',
  /** Used after close, or the other end is closed for good. */
  closed: 'fatal',
  /** A bug in Sluice or in the connector. */
  internal: 'fatal',
  /** Not in the connector's table: retried a bounded number of times, then fatal, never skipped. */
  unknown: 'retryable',
} as const;

/** What kind of failure it is. Switch on it, not on the text. */
export type ErrorCode = keyof typeof errorOutcomes;

/** Where an error happened. */
export interface ErrorContext {
  /** Name of the connector. */
  readonly connector?: string;
  readonly direction?: 'source' | 'sink';
  /** What was being done, as a verb: `open`, `read`, `write`. */
  readonly operation?: string;
  readonly partition?: string;
}

export interface ConnectorErrorOptions extends ErrorContext {
  readonly cause?: unknown;
  /** How long the system asks to wait before the next attempt, in milliseconds. */
  readonly retryAfterMs?: number;
  /** One entry per problem, for `config_invalid`. */
  readonly issues?: readonly ConfigIssue[];
}

/** One problem in a config. */
export interface ConfigIssue {
  /** Where, from the root of the value that was parsed. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

const mark = Symbol.for('@sluice/core/ConnectorError');

/** The one error class of Sluice. `message` says what failed, why, and what to do, in one line without secrets. */
export class ConnectorError extends Error {
  override readonly name = 'ConnectorError';
  readonly code: ErrorCode;
  readonly outcome: Outcome;
  readonly connector: string | undefined;
  readonly direction: 'source' | 'sink' | undefined;
  readonly operation: string | undefined;
  readonly partition: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly issues: readonly ConfigIssue[];

  constructor(code: ErrorCode, message: string, options: ConnectorErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.outcome = errorOutcomes[code];
    this.connector = options.connector;
    this.direction = options.direction;
    this.operation = options.operation;
    this.partition = options.partition;
    this.retryAfterMs = options.retryAfterMs;
    this.issues = options.issues ?? [];
    Object.defineProperty(this, mark, { value: true });
  }
}

/** Whether a value is a {@link ConnectorError}, also one of another copy of this package. */
export function isConnectorError(value: unknown): value is ConnectorError {
  return typeof value === 'object' && value !== null && mark in value;
}

/** What a connector's table says about a native error. */
export interface Classified {
  readonly code: ErrorCode;
  /** The reason and what to do, for a person; the native error's message when left out. */
  readonly message?: string;
  readonly retryAfterMs?: number;
}

/** A connector's table from native errors to codes. Undefined: not in the table, so `unknown`. */
export type Classify = (error: unknown) => Classified | undefined;

/**
 * Wraps whatever a driver threw into a {@link ConnectorError}, once: one that already names its connector stays as it is, and
 * one that does not only gets the context it lacks. What the table does not know is `aborted` or `timeout` when a signal
 * caused it, else `unknown`.
 *
 * The text reads `kafka sink could not write: <reason>`.
 */
export function wrapError(error: unknown, classify: Classify | undefined, context: ErrorContext): ConnectorError {
  if (!isConnectorError(error)) {
    const { code, message, retryAfterMs } = classify?.(error) ?? { code: signalCode(error) };
    return contextError(code, message ?? messageOf(error), {
      ...context,
      cause: error,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }
  if (error.connector !== undefined) return error;
  const { operation, partition, retryAfterMs, issues } = error;
  return contextError(error.code, messageOf(error), {
    ...context,
    ...(operation === undefined ? {} : { operation }),
    ...(partition === undefined ? {} : { partition }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    issues,
    cause: error,
  });
}

/** The text of anything that was thrown, on one line. Of an error without text, those of the errors it holds, or its code. */
export function messageOf(error: unknown): string {
  return textOf(error)
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim();
}

/** An error's text without its full stop, for a sentence that goes on behind it. */
export function withoutStop(text: string): string {
  return text.replace(/\.$/, '');
}

function textOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error);
  if ('message' in error && typeof error.message === 'string' && error.message !== '') return error.message;
  // Node connects to all addresses of a host name at once and tells only the single errors.
  if (error instanceof AggregateError && error.errors.length > 0)
    return [...new Set(error.errors.map(messageOf))].join('; ');
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.name : Object.prototype.toString.call(error);
}

function signalCode(error: unknown): ErrorCode {
  if (!(error instanceof Error)) return 'unknown';
  if (error.name === 'AbortError') return 'aborted';
  return error.name === 'TimeoutError' ? 'timeout' : 'unknown';
}

function contextError(code: ErrorCode, reason: string, options: ConnectorErrorOptions): ConnectorError {
  const name = [options.connector, options.direction].filter(Boolean).join(' ') || 'sluice';
  const subject = options.partition ? `${name} ("${options.partition}")` : name;
  return new ConnectorError(code, `${subject} could not ${wordsFor(options.operation)}: ${reason}`, options);
}

/** What a person calls an operation. A claim is how a sink begins. */
function wordsFor(operation = 'go on'): string {
  return operation === 'claim' ? 'begin to write' : operation;
}
