import { BatchError, type ConnectorError, type ErrorCode, isConnectorError, wrapError } from '@sluice/core/driver';
import type { Trial } from './trial.js';

/** What the engine makes of an error that a driver threw. */
function asConnectorError(trial: Trial, error: unknown): ConnectorError {
  const { classify, name } = trial.harness.connector;
  return wrapError(error, classify, { connector: name });
}

/**
 * The error of a promise that has to reject in time.
 *
 * @throws {Error} when it resolves, or does not settle
 */
export async function failureOf(trial: Trial, promise: Promise<unknown>, what: string): Promise<unknown> {
  const outcome = promise.then(
    () => ({ failed: false }) as const,
    (error: unknown) => ({ failed: true, error }) as const,
  );
  const settled = await trial.within(outcome, what);
  if (!settled.failed) throw new Error(`${what} succeeded`);
  return settled.error;
}

/**
 * The codes of the messages that a write failed on, by index.
 *
 * @throws {Error} when it succeeds, fails as a whole, or names one twice or out of order
 */
export async function failedMessages(
  trial: Trial,
  write: Promise<unknown>,
  what: string,
): Promise<ReadonlyMap<number, ConnectorError>> {
  const error = await failureOf(trial, write, what);
  if (!(error instanceof BatchError)) {
    const { code, message } = asConnectorError(trial, error);
    throw new Error(`${what} failed as a whole instead of naming messages, ${code}: ${message}`);
  }
  const indexes = error.failures.map(({ index }) => index);
  if (indexes.some((index, at) => at > 0 && index <= (indexes[at - 1] ?? 0)))
    throw new Error(`${what} names messages ${indexes.join(', ')}: not once each and in order`);
  return new Map(error.failures.map((failure) => [failure.index, asConnectorError(trial, failure.error)]));
}

/** @throws {Error} when the error has another code */
export function expectCode(trial: Trial, error: unknown, codes: readonly ErrorCode[], what: string): void {
  const { code, message } = isConnectorError(error) ? error : asConnectorError(trial, error);
  if (!codes.includes(code)) throw new Error(`${what}: ${code} instead of ${codes.join(' or ')} (${message})`);
}
