import { describe, expect, test } from 'vitest';
import { classifyPostgresError, isRefusal, lineOf } from '../src/error.js';

function failure(message: string, fields: Record<string, unknown> = {}): Error {
  return Object.assign(new Error(message), fields);
}

test.each([
  ['08006', 'not_connected'],
  ['22P02', 'message_invalid'],
  ['23505', 'message_invalid'],
  ['23503', 'message_invalid'],
  ['25006', 'not_connected'],
  ['25P03', 'not_connected'],
  ['25P04', 'not_connected'],
  ['28P01', 'unauthenticated'],
  ['28000', 'unauthenticated'],
  ['3D000', 'not_found'],
  ['40001', 'conflict'],
  ['40P01', 'conflict'],
  ['42501', 'permission_denied'],
  ['42601', 'config_invalid'],
  ['42703', 'not_found'],
  ['42P01', 'not_found'],
  ['53100', 'resource_exhausted'],
  ['53300', 'resource_exhausted'],
  ['54000', 'message_too_large'],
  ['55P03', 'conflict'],
  ['57014', 'timeout'],
  ['57P01', 'not_connected'],
  ['57P03', 'not_connected'],
  ['P0001', 'message_invalid'],
  ['P0004', 'message_invalid'],
  ['ECONNREFUSED', 'not_connected'],
  ['EPIPE', 'not_connected'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'unauthenticated'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'unauthenticated'],
])('takes %s for %s', (code, expected) => {
  expect(classifyPostgresError(failure('the reason', { code }))?.code).toBe(expected);
});

test.each([
  ['Connection terminated unexpectedly', 'not_connected'],
  ['timeout expired', 'not_connected'],
  ['Client has encountered a connection error and is not queryable', 'not_connected'],
  ['The server does not support SSL connections', 'unsupported'],
  ['SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string', 'unauthenticated'],
])('takes the text "%s" for %s', (text, expected) => {
  expect(classifyPostgresError(failure(text))?.code).toBe(expected);
});

test('leaves what it does not know to the core', () => {
  for (const unknown of [
    failure('x'),
    failure('x', { code: 'XX000' }),
    failure('x', { code: 'ERR_ASSERTION' }),
    'text',
    null,
  ]) {
    expect(classifyPostgresError(unknown)).toBeUndefined();
  }
});

describe('a row that the server refuses', () => {
  const error = failure('invalid input syntax for type integer: "x"', {
    code: '22P02',
    where: 'COPY orders, line 12, column id: "x"',
  });

  test('is told with its column and its line', () => {
    expect(classifyPostgresError(error)?.message).toBe('invalid input syntax for type integer: "x" (column id)');
    expect(lineOf(error)).toBe(12);
    expect(lineOf(failure('x', { where: 'PL/pgSQL function f() line 3\nCOPY "a, line 9", line 4: "1"' }))).toBe(4);
    expect(lineOf(failure('x'))).toBeUndefined();
  });

  test('is not taken for a statement that cannot be', () => {
    expect(isRefusal(error)).toBe(true);
    expect(isRefusal(failure('x', { code: '42P01' }))).toBe(false);
    expect(isRefusal(failure('x', { code: '40P01' }))).toBe(false);
  });
});
