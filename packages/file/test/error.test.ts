import { ConnectorError } from '@sluice/core/driver';
import { describe, expect, test } from 'vitest';
import { classifyFileError, ifExists, named } from '../src/error.js';

function nodeError(code: string, path?: string): Error {
  return Object.assign(new Error(`${code}: as Node says it`), { code, ...(path && { path }) });
}

describe('the table of errors', () => {
  test.each([
    ['ENOENT', 'not_found'],
    ['EACCES', 'permission_denied'],
    ['EROFS', 'permission_denied'],
    ['EISDIR', 'config_invalid'],
    ['ENOTDIR', 'config_invalid'],
    ['ENOSPC', 'resource_exhausted'],
    ['EDQUOT', 'resource_exhausted'],
    ['EMFILE', 'resource_exhausted'],
    ['EPIPE', 'closed'],
    ['ESTALE', 'not_connected'],
    ['Z_DATA_ERROR', 'unsupported'],
    ['ZSTD_error_checksum_wrong', 'unsupported'],
    ['ERR_SQLITE_ERROR', 'unsupported'],
  ])('gives %s the code %s, names the file, and says what to do', (code, expected) => {
    const classified = classifyFileError(nodeError(code, '/data/a.log'));
    expect(classified?.code).toBe(expected);
    expect(classified?.message).toContain('"/data/a.log"');
    if (expected !== 'not_connected') expect(classified?.message).toMatch(/\. .+\.$/);
  });

  test('takes a lock file that this user may only read for missing permission, and not for a file system without locks', () => {
    const readOnly = Object.assign(nodeError('ERR_SQLITE_ERROR', '/data/a.log.lock'), { errcode: 8 });
    expect(classifyFileError(readOnly)?.code).toBe('permission_denied');
  });

  test('does not know other errors', () => {
    for (const error of [nodeError('EIO'), new Error('plain'), 'text', undefined])
      expect(classifyFileError(error)).toBeUndefined();
  });
});

test('an error of an open file gets the name of the file, and every other one stays as it is', () => {
  expect(named(nodeError('ENOSPC'), '/data/a.log')).toMatchObject({ path: '/data/a.log' });
  expect(named(nodeError('ENOSPC', '/first'), '/data/a.log')).toMatchObject({ path: '/first' });
  expect(named(new ConnectorError('fenced', 'text'), '/data/a.log')).not.toHaveProperty('path');
  expect(named('text', '/data/a.log')).toBe('text');
});

test('only a missing file counts as missing', async () => {
  expect(await ifExists(Promise.reject(nodeError('ENOENT')))).toBeUndefined();
  await expect(ifExists(Promise.reject(nodeError('EACCES')))).rejects.toMatchObject({ code: 'EACCES' });
});
