import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import {
  type Classify,
  ConnectorError,
  errorOutcomes,
  isConnectorError,
  messageOf,
  type Outcome,
  wrapError,
} from '../src/error.js';

const source = new URL('../src/', import.meta.url).pathname;

const byOutcome: Record<Outcome, string[]> = {
  retryable: ['not_connected', 'timeout', 'rate_limited', 'resource_exhausted', 'conflict', 'lease_lost', 'unknown'],
  invalid: ['message_invalid', 'message_too_large'],
  fatal: [
    'config_invalid',
    'unauthenticated',
    'permission_denied',
    'not_found',
    'unsupported',
    'position_lost',
    'fenced',
    'aborted',
    'closed',
    'internal',
  ],
};

describe('the table of codes', () => {
  test('has exactly these codes, each with its outcome', () => {
    const expected = Object.entries(byOutcome).flatMap(([outcome, codes]) => codes.map((code) => [code, outcome]));
    expect(errorOutcomes).toEqual(Object.fromEntries(expected));
  });

  test('says of every code when it is used', () => {
    const text = readFileSync(join(source, 'error.ts'), 'utf8');
    for (const code of Object.keys(errorOutcomes)) expect(text).toMatch(new RegExp(`/\\*\\* .+\\. \\*/\n  ${code}: '`));
  });

  test('has every code that a doc comment of this package names', () => {
    const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    const documented = files.flatMap((file) => {
      const text = readFileSync(join(source, file), 'utf8');
      return [...text.matchAll(/@throws \{ConnectorError\} `(\w+)`/g)].map((match) => ({ file, code: match[1] }));
    });
    expect(documented.length).toBeGreaterThan(10);
    expect(documented.filter(({ code }) => !Object.hasOwn(errorOutcomes, String(code)))).toEqual([]);
  });
});

describe('wrapError', () => {
  const context = { connector: 'kafka', direction: 'sink', operation: 'write' } as const;
  const classify: Classify = (error) =>
    error instanceof RangeError ? { code: 'rate_limited', message: 'slow down', retryAfterMs: 50 } : undefined;

  test('says what failed, why, and where, and takes code and delay from the table', () => {
    const native = new RangeError('THROTTLED');
    const error = wrapError(native, classify, context);
    expect(error).toMatchObject({
      ...context,
      code: 'rate_limited',
      outcome: 'retryable',
      retryAfterMs: 50,
      cause: native,
    });
    expect(error.message).toBe('kafka sink could not write: slow down');
  });

  test('says of a sink that cannot claim that it cannot begin', () => {
    const error = wrapError(new Error('x'), classify, { connector: 'file', direction: 'sink', operation: 'claim' });
    expect(error).toMatchObject({ message: 'file sink could not begin to write: x', operation: 'claim' });
  });

  test('names the partition', () => {
    expect(wrapError(new Error('x'), classify, { ...context, partition: 'orders-3' }).message).toBe(
      'kafka sink ("orders-3") could not write: x',
    );
  });

  test('what is not in the table is unknown and keeps its text', () => {
    expect(wrapError(new TypeError('odd'), classify, context)).toMatchObject({
      code: 'unknown',
      outcome: 'retryable',
      message: 'kafka sink could not write: odd',
    });
    expect(wrapError('odd', undefined, context)).toMatchObject({
      code: 'unknown',
      cause: 'odd',
      message: 'kafka sink could not write: odd',
    });
  });

  test('an error that already names its connector stays the same object', () => {
    const once = wrapError(new Error('x'), classify, context);
    expect(wrapError(once, classify, { connector: 'kafka', direction: 'sink', operation: 'flush' })).toBe(once);
  });

  test('a ConnectorError of a driver keeps what it says and only gets the context it lacks', () => {
    const table = vi.fn<Classify>(classify);
    const thrown = new ConnectorError('not_found', 'topic "a" does not exist', {
      operation: 'find its topic',
      partition: 'a-0',
      retryAfterMs: 7,
      issues: [{ path: ['topic'], message: 'wrong' }],
    });
    const error = wrapError(thrown, table, { ...context, partition: 'b-1' });
    expect(error).toMatchObject({
      code: 'not_found',
      message: 'kafka sink ("a-0") could not find its topic: topic "a" does not exist',
      connector: 'kafka',
      direction: 'sink',
      operation: 'find its topic',
      partition: 'a-0',
      retryAfterMs: 7,
      issues: thrown.issues,
      cause: thrown,
    });
    expect(table).not.toHaveBeenCalled();
  });

  test('abort errors are aborted and expired signals are timeouts, unless the table knows better', () => {
    const aborted = AbortSignal.abort().reason as unknown;
    expect(wrapError(aborted, undefined, context).code).toBe('aborted');
    expect(wrapError(Object.assign(new Error('stop'), { name: 'AbortError' }), classify, context).code).toBe('aborted');
    expect(wrapError(new DOMException('late', 'TimeoutError'), classify, context).code).toBe('timeout');
    expect(wrapError(aborted, () => ({ code: 'not_connected' }), context).code).toBe('not_connected');
  });
});

describe('isConnectorError', () => {
  test('knows errors of another copy of this package', async () => {
    vi.resetModules();
    const copy = await import('../src/error.js');
    const foreign = new copy.ConnectorError('timeout', 'late');
    expect(foreign).not.toBeInstanceOf(ConnectorError);
    expect(isConnectorError(foreign)).toBe(true);
    expect(wrapError(foreign, undefined, { connector: 'kafka' })).toMatchObject({
      code: 'timeout',
      message: 'kafka could not go on: late',
    });
  });

  test.each([new Error('x'), { code: 'timeout' }, null, undefined, 'timeout'])('says no to %s', (value) => {
    expect(isConnectorError(value)).toBe(false);
  });
});

describe('messageOf', () => {
  test.each<[string, unknown, string]>([
    ['the message on one line', new Error('a\n  b\n'), 'a b'],
    ['what is thrown instead of an error', 'plain', 'plain'],
    ['the message of something like an error', { message: 'like' }, 'like'],
    [
      'the errors that an error without text holds',
      new AggregateError([new Error('::1 refused'), new Error('127.0.0.1 refused')]),
      '::1 refused; 127.0.0.1 refused',
    ],
    ['the code of an error without text', Object.assign(new Error(''), { code: 'ECONNRESET' }), 'ECONNRESET'],
    ['the name of an error that has nothing else', new RangeError(), 'RangeError'],
    ['undefined', undefined, 'undefined'],
  ])('gives %s', (_, thrown, text) => {
    expect(messageOf(thrown)).toBe(text);
  });
});
