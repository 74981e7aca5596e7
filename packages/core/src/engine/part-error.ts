import type { z } from 'zod';
import { ConnectorError, type ErrorContext, withoutStop, wrapError } from '../error.js';
import { redactError, secretsOf } from '../redact.js';
import type { Sink } from '../sink.js';
import type { Source } from '../source.js';

/** Turns whatever a driver threw into an error that says where and carries no secret. */
export type WrapError = (error: unknown, operation: string, partition?: string) => ConnectorError;

/** The {@link WrapError} of one source or sink. */
export function errorWrapper(part: Source | Sink): WrapError {
  const { connector, direction } = part;
  const schema: z.ZodType | undefined = connector[direction]?.config;
  const secrets = schema === undefined ? [] : secretsOf(schema, part.config);
  return (error, operation, partition) => {
    const context: ErrorContext = {
      connector: connector.name,
      direction,
      operation,
      ...(partition ? { partition } : {}),
    };
    return redactError(wrapError(error, connector.classify, context), secrets);
  };
}

/** The same error as one that cannot be retried any more. */
export function givenUp(error: ConnectorError, why: string): ConnectorError {
  return new ConnectorError(error.code, `${withoutStop(error.message)} (${why})`, {
    cause: error.cause,
    issues: error.issues,
    ...(error.connector === undefined ? {} : { connector: error.connector }),
    ...(error.direction === undefined ? {} : { direction: error.direction }),
    ...(error.operation === undefined ? {} : { operation: error.operation }),
    ...(error.partition === undefined ? {} : { partition: error.partition }),
  });
}

/** Whether attempts are unlimited: the cause is outside and passes, or an operator has to act and nothing is lost meanwhile. */
export function retriesForever(error: ConnectorError): boolean {
  return error.code === 'not_connected' || error.code === 'timeout' || error.code === 'rate_limited';
}
