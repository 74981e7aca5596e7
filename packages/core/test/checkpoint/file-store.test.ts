import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FileCheckpointStore, fileCheckpoints } from '../../src/checkpoint/file-store.js';
import type { Checkpoint } from '../../src/sink-driver.js';
import { checkpointOf, startHolder } from './holder-process.js';

let folder: string;
let path: string;
let store: FileCheckpointStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-checkpoints-'));
  path = join(folder, 'a', 'b');
  store = fileCheckpoints({ path });
});

afterEach(async () => {
  await store.close();
  await chmod(folder, 0o700);
  await rm(folder, { recursive: true });
});

function at(position: number): Checkpoint {
  return { 'source:': { connector: 'generate', version: 1, identity: null, position } };
}

describe('the file store', () => {
  it('keeps what was saved for the next claim, also in another store on the same folder', async () => {
    const first = await store.claim('orders');
    expect(first.checkpoint).toEqual({});
    await first.save(at(1));
    await first.save(at(2));
    await first.release();
    const again = fileCheckpoints({ path });
    expect(await again.load('orders')).toEqual(at(2));
    expect((await again.claim('orders')).checkpoint).toEqual(at(2));
    await again.close();
  });

  it('loads nothing, and makes nothing, where nothing was saved', async () => {
    expect(await store.load('orders')).toEqual({});
    expect(await readdir(folder)).toEqual([]);
  });

  it('keeps pipelines apart', async () => {
    const claims = await Promise.all(['orders', 'Orders', '../orders'].map((name) => store.claim(name)));
    await Promise.all(claims.map((claim, index) => claim.save(at(index))));
    expect(await Promise.all(['orders', 'Orders', '../orders'].map((name) => store.load(name)))).toEqual([
      at(0),
      at(1),
      at(2),
    ]);
    expect(await readdir(join(folder, 'a'))).toEqual(['b']);
  });

  it('refuses a second claim until the first is released, also through another path to the folder', async () => {
    const claim = await store.claim('orders');
    await symlink(path, join(folder, 'link'));
    const other = fileCheckpoints({ path: join(folder, 'link') });
    await expect(store.claim('orders')).rejects.toMatchObject({ code: 'fenced' });
    await expect(other.claim('orders')).rejects.toMatchObject({ code: 'fenced' });
    await expect(other.reset('orders')).rejects.toMatchObject({ code: 'fenced' });
    await claim.save(at(1));
    await claim.release();
    await claim.release();
    expect((await other.claim('orders')).checkpoint).toEqual(at(1));
    await other.close();
  });

  it('refuses a save after release or close, and can then be claimed again', async () => {
    const claim = await store.claim('orders');
    await claim.save(at(1));
    await store.close();
    await store.close();
    await expect(claim.save(at(2))).rejects.toMatchObject({ code: 'closed' });
    expect((await store.claim('orders')).checkpoint).toEqual(at(1));
  });

  it('stores overlapping saves in the order of the calls, and releases after the last', async () => {
    const claim = await store.claim('orders');
    const saves = Array.from({ length: 20 }, (_, index) => claim.save(at(index)));
    await claim.release();
    expect(await store.load('orders')).toEqual(at(19));
    await Promise.all(saves);
  });

  it('stores a checkpoint as it was at the call', async () => {
    const claim = await store.claim('orders');
    const position = [1];
    const save = claim.save({ 'source:': { connector: 'generate', version: 1, identity: null, position } });
    position.push(2);
    await save;
    expect(await store.load('orders')).toMatchObject({ 'source:': { position: [1] } });
  });

  it('refuses a damaged file, leaves it as it is, and takes it once it is restored', async () => {
    const claim = await store.claim('orders');
    await claim.save(at(1));
    await claim.release();
    const file = join(path, 'orders.json');
    const good = await readFile(file);
    const damaged = good.toString().replace('"position": 1', '"position": 0');
    await writeFile(file, damaged);
    const refusal = {
      code: 'position_lost',
      message: expect.stringMatching(/orders\.json" is damaged.+Restore it.+delete it to start over/),
    };
    await expect(store.load('orders')).rejects.toMatchObject(refusal);
    await expect(store.claim('orders')).rejects.toMatchObject(refusal);
    await expect(store.claim('orders')).rejects.toMatchObject(refusal);
    expect(await readFile(file, 'utf8')).toBe(damaged);
    await writeFile(file, good);
    expect((await store.claim('orders')).checkpoint).toEqual(at(1));
  });

  it('starts over after a reset, also of a damaged file', async () => {
    await (await store.claim('orders')).save(at(1));
    await store.close();
    await writeFile(join(path, 'orders.json'), '');
    await store.reset('orders');
    expect(await store.load('orders')).toEqual({});
    expect((await store.claim('orders')).checkpoint).toEqual({});
  });

  it('removes what a dead process left behind, and nothing else', async () => {
    await mkdir(path, { recursive: true });
    const others = ['orders.json.tmp', 'orders.json.0123456789abcdef.tmp.bak', 'orders2.json.0123456789abcdef.tmp'];
    for (const name of [...others, 'orders.json.0123456789abcdef.tmp']) await writeFile(join(path, name), 'half');
    await store.claim('orders');
    expect((await readdir(path)).sort()).toEqual([...others, 'orders.json', 'orders.lock'].sort());
  });

  it('refuses the older holder where the lock did not hold', async () => {
    const older = await store.claim('orders');
    await older.save(checkpointOf(1));
    // Closing a file that SQLite has locked takes the lock away, like a file system that knows no locks.
    await readFile(join(path, 'orders.lock'));
    const newer = startHolder({ folder: path });
    try {
      expect(await newer.report('claimed')).toMatchObject({ counter: 1 });
      await expect(older.save(checkpointOf(2))).rejects.toMatchObject({
        code: 'fenced',
        message: expect.stringMatching(/it was claimed by process \d+ on host ".+" at /),
      });
      expect(await store.load('orders')).toEqual(checkpointOf(1));
    } finally {
      await newer.kill();
    }
  });

  it('refuses to go on when its file was removed meanwhile', async () => {
    const claim = await store.claim('orders');
    await rm(path, { recursive: true });
    await expect(claim.save(at(1))).rejects.toMatchObject({
      code: 'fenced',
      message: expect.stringContaining('was removed'),
    });
  });

  it('says so when it may not write the folder, or not make it', async () => {
    await chmod(folder, 0o555);
    const refusal = {
      code: 'permission_denied',
      message: expect.stringContaining('access denied. Give this user permission'),
    };
    expect(await claimWithoutRights(folder)).toMatchObject(refusal);
    expect(await claimWithoutRights(path)).toMatchObject(refusal);
  });

  it('says so when it may not write the lock file, instead of going on without a lock', async () => {
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'orders.lock'), '');
    await chmod(join(path, 'orders.lock'), 0o444);
    for (const open of [folder, join(folder, 'a'), path]) await chmod(open, 0o777);
    expect(await claimWithoutRights(path)).toMatchObject({
      code: 'permission_denied',
      message: expect.stringContaining('lock file'),
    });
  });

  it('says so when the path is not a folder, or something else stands in the lock file', async () => {
    await writeFile(join(folder, 'file'), '');
    const inFile = fileCheckpoints({ path: join(folder, 'file') });
    await expect(inFile.claim('orders')).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('file'),
    });
    await expect(inFile.load('orders')).rejects.toMatchObject({ code: 'config_invalid' });
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'orders.lock'), 'something else '.repeat(100));
    await expect(store.claim('orders')).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('Remove that file'),
    });
  });

  it('tells where it keeps them', () => {
    expect(fileCheckpoints({ path: '.sluice/checkpoints' })).toMatchObject({
      description: 'file .sluice/checkpoints',
      durable: true,
    });
  });
});

/** Root may do everything, so another process tries, as nobody. */
async function claimWithoutRights(path: string): Promise<{ code: string; message: string }> {
  const holder = startHolder({ folder: path, withoutRights: true });
  try {
    return await holder.report('failed');
  } finally {
    await holder.kill();
  }
}
