import { pipeline } from '@sluice/core';
import { describe, expect, test } from 'vitest';
import { type FileSinkConfig, file } from '../src/index.js';

function problem(action: () => unknown): unknown {
  try {
    action();
    return undefined;
  } catch (error) {
    return error;
  }
}

function refusal(path: string, message: RegExp): object {
  const issue = { path: [path], message: expect.stringMatching(message) as string };
  return { code: 'config_invalid', issues: [issue] };
}

describe('the config of the source', () => {
  test('needs a path alone', () => {
    expect(file.source({ path: 'in.log' }).config).toEqual({
      path: 'in.log',
      framing: 'lines',
      follow: false,
      pollIntervalMs: 250,
      scanIntervalMs: 1000,
      rotateWaitMs: 5000,
      maxOpenFiles: 4,
    });
  });

  test.each([
    ['-', 'lines', /standard input/],
    ['a.log', 'whole', /never whole/],
    ['a.log.gz', 'lines', /compressed/],
  ] as const)('refuses to follow "%s" as %s', (path, framing, message) => {
    expect(problem(() => file.source({ path, framing, follow: true }))).toMatchObject(refusal('follow', message));
  });

  test('follows a pattern of compressed and other files', () => {
    expect(problem(() => file.source({ path: 'logs/*', follow: true }))).toBeUndefined();
  });
});

describe('the config of the sink', () => {
  test('refuses what cannot work, each with its reason', () => {
    expect(problem(() => file.sink({ path: 'out', framing: 'whole' }))).toMatchObject(
      refusal('framing', /tell the messages/),
    );
    expect(problem(() => file.sink({ path: 'out', framing: 'csv' }))).toMatchObject(refusal('framing', /columns/));
    expect(problem(() => file.sink({ path: '-', atomic: true }))).toMatchObject(refusal('atomic', /standard output/));
    expect(problem(() => file.sink({ path: '-', rotate: { maxBytes: 1 } }))).toMatchObject(
      refusal('rotate', /standard output/),
    );
    expect(problem(() => file.sink({ path: 'out', rotate: {} }))).toMatchObject(
      refusal('rotate', /maxBytes or maxAgeMs/),
    );
    expect(problem(() => file.sink({ path: 'out/' }))).toMatchObject(refusal('path', /folder/));
    expect(problem(() => file.sink({ path: '{topic}.log' }))).toMatchObject(
      refusal('path', /templates are not supported/),
    );
    expect(problem(() => file.sink({ path: '' }))).toMatchObject({ code: 'config_invalid' });
  });
});

describe('capabilities', () => {
  test('of a source depend on whether it can be read again, and ends', () => {
    expect(file.source({ path: 'in.log' }).capabilities).toEqual({
      position: 'engine',
      replayable: true,
      order: 'partition',
      bounded: true,
      window: false,
      changes: false,
      keyed: false,
      lagUnit: 'bytes',
    });
    expect(file.source({ path: 'in.log', follow: true }).capabilities.bounded).toBe(false);
    const stdin = file.source({ path: '-' }).capabilities;
    expect(stdin).toMatchObject({ position: 'none', replayable: false, bounded: true });
    expect(stdin.lagUnit).toBeUndefined();
  });

  test('of a sink depend on whether it keeps positions, and on its framing', () => {
    expect(file.sink({ path: 'out.log' }).capabilities).toMatchObject({
      atomic: true,
      idempotent: false,
      overlap: 'none',
      payload: 'bytes',
    });
    expect(file.sink({ path: 'out.log', atomic: false }).capabilities.atomic).toBe(false);
    expect(file.sink({ path: '-' }).capabilities.atomic).toBe(false);
    expect(file.sink({ path: 'out.csv', framing: { type: 'csv', columns: ['a'] } }).capabilities.payload).toBe('value');
  });
});

test('validate remarks on an output that a crash can make unreadable', () => {
  const remarks = (config: FileSinkConfig): readonly string[] =>
    pipeline({ name: 'p', source: file.source({ path: 'in.log' }), sink: file.sink(config) }).remarks;
  for (const config of [
    { path: 'out.log.gz', atomic: false },
    { path: 'out.bin', atomic: false, framing: 'length-prefixed' as const },
  ])
    expect(remarks(config)).toEqual([expect.stringMatching(/^sink: a crash can leave a part of .*: leave out atomic/)]);
  for (const config of [{ path: 'out.log.gz' }, { path: 'out.log', atomic: false }, { path: '-' }])
    expect(remarks(config)).toEqual([]);
});
