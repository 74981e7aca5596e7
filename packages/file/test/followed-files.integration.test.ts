import { rename, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { fileClaims } from '../src/file-claims.js';
import { followedFiles } from '../src/followed-files.js';
import { patience, temporaryFolder } from './harness.js';

/** A pattern that is followed, with one file that was read to its end and then renamed or deleted. */
async function withGoneFile(newName: string | undefined) {
  const folder = await temporaryFolder();
  const path = join(folder, 'a.log');
  await writeFile(path, 'line\n');
  const stats = await stat(path, { bigint: true });
  const claims = fileClaims();
  let looks = 0;
  const keep: typeof claims.keep = (files) => {
    claims.keep(files);
    looks++;
  };
  const files = followedFiles({
    pattern: join(folder, '*.log'),
    scanIntervalMs: 1,
    claims: { ...claims, keep },
    notice: () => undefined,
  });
  const stop = new AbortController();
  const sets = files.sets(stop.signal);
  expect((await sets.next()).value).toEqual([path]);
  claims.claim(path, stats);
  if (newName === undefined) await unlink(path);
  else await rename(path, join(folder, newName));
  files.gone(path);
  expect((await sets.next()).value).toEqual([]);
  const before = looks;
  const next = sets.next();
  return {
    owner: () => claims.ownerOf(stats),
    lookedAgain: () => vi.waitFor(() => expect(looks).toBeGreaterThan(before + 2), patience),
    end: async () => {
      stop.abort();
      expect((await next).done).toBe(true);
    },
    folder,
    path,
  };
}

test('a file that was read and deleted is forgotten, so that a folder through which files pass needs no more memory with each', async () => {
  const { owner, end } = await withGoneFile(undefined);
  await vi.waitFor(() => expect(owner()).toBeUndefined(), patience);
  await end();
});

test('a file that was read and renamed within the pattern is known until it is gone, too, so that it is not read twice', async () => {
  const { owner, lookedAgain, end, folder, path } = await withGoneFile('b.log');
  await lookedAgain();
  expect(owner()).toBe(path);
  await unlink(join(folder, 'b.log'));
  await vi.waitFor(() => expect(owner()).toBeUndefined(), patience);
  await end();
});
