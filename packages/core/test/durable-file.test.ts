import type { PathLike } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fileCheckpoints } from '../src/checkpoint/file-store.js';
import { makeFolderDurably, removeLeftovers, writeDurably } from '../src/durable-file.js';

/** What was asked of the file system since the test began, and a call that is to fail. */
const disk = vi.hoisted(() => ({
  calls: [] as string[],
  failing: undefined as { call: string; code: string } | undefined,
}));

vi.mock('node:fs/promises', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs/promises')>();
  const { basename } = await import('node:path');
  const observe = <Args extends unknown[], Result>(
    call: string,
    name: string,
    act: (...args: Args) => Promise<Result>,
  ) => {
    return async (...args: Args): Promise<Result> => {
      disk.calls.push(`${call} ${name.replace(/[0-9a-f]{16}/, '*')}`);
      if (disk.failing?.call === call)
        throw Object.assign(new Error(`${disk.failing.code}: no`), { code: disk.failing.code });
      return await act(...args);
    };
  };
  return {
    ...fs,
    open: async (path: string, flags: string) => {
      const file = await fs.open(path, flags);
      const name = basename(path);
      const call = flags === 'r' ? 'sync folder' : 'sync';
      return Object.assign(file, {
        writeFile: observe('write', name, file.writeFile.bind(file)),
        sync: observe(call, name, file.sync.bind(file)),
      });
    },
    rename: (from: PathLike, to: PathLike) =>
      observe('rename', `${basename(String(from))} ${basename(String(to))}`, fs.rename)(from, to),
  };
});

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-durable-'));
  path = join(folder, 'state');
  disk.calls.length = 0;
  disk.failing = undefined;
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe('writing durably', () => {
  it('writes beside, syncs, renames, and syncs the folder, in this order', async () => {
    await writeDurably(path, Buffer.from('new'));
    expect(disk.calls).toEqual([
      'write state.*.tmp',
      'sync state.*.tmp',
      'rename state.*.tmp state',
      `sync folder ${basename(folder)}`,
    ]);
    expect(await readFile(path, 'utf8')).toBe('new');
    expect(await readdir(folder)).toEqual(['state']);
  });

  it.each(['write', 'sync', 'rename'])('leaves the old bytes and nothing else when the %s fails', async (call) => {
    await writeFile(path, 'old');
    disk.failing = { call, code: 'ENOSPC' };
    await expect(writeDurably(path, Buffer.from('new'))).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['state']);
  });

  it('fails when the folder cannot be synced, unless the file system has no such thing', async () => {
    disk.failing = { call: 'sync folder', code: 'EIO' };
    await expect(writeDurably(path, Buffer.from('new'))).rejects.toMatchObject({ code: 'EIO' });
    disk.failing = { call: 'sync folder', code: 'EINVAL' };
    await writeDurably(path, Buffer.from('newer'));
    expect(await readFile(path, 'utf8')).toBe('newer');
  });

  it('shows the new bytes only when what they speak of is durable, and syncs them meanwhile', async () => {
    await writeFile(path, 'old');
    const ready = Promise.withResolvers<void>();
    const done = writeDurably(path, Buffer.from('new'), ready.promise);
    await vi.waitFor(() => expect(disk.calls).toEqual(['write state.*.tmp', 'sync state.*.tmp']));
    expect(await readFile(path, 'utf8')).toBe('old');
    ready.resolve();
    await done;
    expect(disk.calls.slice(2)).toEqual(['rename state.*.tmp state', `sync folder ${basename(folder)}`]);
    expect(await readFile(path, 'utf8')).toBe('new');
  });

  it('leaves the old bytes when what the new ones speak of could not be made durable', async () => {
    await writeFile(path, 'old');
    const failed = Promise.reject(new Error('not durable'));
    await expect(writeDurably(path, Buffer.from('new'), failed)).rejects.toThrow('not durable');
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['state']);
  });

  it('fails only when what the new bytes speak of has settled, too', async () => {
    disk.failing = { call: 'write', code: 'ENOSPC' };
    const ready = Promise.withResolvers<void>();
    let settled = false;
    const done = writeDurably(path, Buffer.from('new'), ready.promise).finally(() => {
      settled = true;
    });
    await vi.waitFor(() => expect(disk.calls).toEqual(['write state.*.tmp']));
    await readdir(folder);
    expect(settled).toBe(false);
    ready.reject(new Error('not durable'));
    await expect(done).rejects.toMatchObject({ code: 'ENOSPC' });
  });

  it('leaves one whole file when calls overlap', async () => {
    const contents = Array.from({ length: 10 }, (_, index) => String(index).repeat(10_000));
    await Promise.all(contents.map((content) => writeDurably(path, Buffer.from(content))));
    expect(contents).toContain(await readFile(path, 'utf8'));
    expect(await readdir(folder)).toEqual(['state']);
  });

  it('removes leftovers of one file only', async () => {
    await writeFile(join(folder, 'state.0123456789abcdef.tmp'), 'half');
    await writeFile(join(folder, 'other.0123456789abcdef.tmp'), 'half');
    await removeLeftovers(path);
    expect(await readdir(folder)).toEqual(['other.0123456789abcdef.tmp']);
  });

  it('syncs every folder that got a new one, and no other', async () => {
    await makeFolderDurably(join(folder, 'a', 'b', 'c'));
    expect(disk.calls).toEqual([`sync folder ${basename(folder)}`, 'sync folder a', 'sync folder b']);
    await makeFolderDurably(join(folder, 'a', 'b', 'c'));
    expect(disk.calls).toHaveLength(3);
  });
});

describe('the file store on a full disk', () => {
  it('keeps the last checkpoint, says that the disk is full, and goes on when there is space', async () => {
    const store = fileCheckpoints({ path: folder });
    const stored = { connector: 'generate', version: 1, identity: null };
    const claim = await store.claim('orders');
    await claim.save({ 'source:': { ...stored, position: 1 } });
    disk.failing = { call: 'write', code: 'ENOSPC' };
    await expect(claim.save({ 'source:': { ...stored, position: 2 } })).rejects.toMatchObject({
      code: 'resource_exhausted',
      outcome: 'retryable',
      message: `checkpoint file "${join(folder, 'orders.json')}" could not be written: the disk is full. Free some space on it.`,
    });
    expect(await store.load('orders')).toMatchObject({ 'source:': { position: 1 } });
    disk.failing = undefined;
    await claim.save({ 'source:': { ...stored, position: 3 } });
    expect(await store.load('orders')).toMatchObject({ 'source:': { position: 3 } });
    await store.close();
  });

  it('goes on after a save that took place but could not be synced', async () => {
    const store = fileCheckpoints({ path: folder });
    const claim = await store.claim('orders');
    disk.failing = { call: 'sync folder', code: 'EIO' };
    await expect(claim.save({})).rejects.toMatchObject({ code: 'unknown' });
    disk.failing = undefined;
    await claim.save({});
    await store.close();
  });
});
