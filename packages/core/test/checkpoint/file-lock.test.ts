import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { lockFile } from '../../src/checkpoint/file-lock.js';

test('a lock file that cannot be made is refused with the reason of the file system, which SQLite does not tell', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-lock-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  expect(() => lockFile(join(folder, 'gone', 'a.lock'))).toThrow(expect.objectContaining({ code: 'ENOENT' }));

  // Something that is there is not touched, so the reason remains SQLite's.
  await mkdir(join(folder, 'b.lock'));
  expect(() => lockFile(join(folder, 'b.lock'))).toThrow(expect.objectContaining({ errcode: 14 }));
});
