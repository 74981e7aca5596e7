import { once } from 'node:events';
import {
  appendFile,
  type FileHandle,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import type { SinkDriver } from '@sluice/core/driver';
import { describe, expect, type Mock, onTestFinished, test, vi } from 'vitest';
import { checkpointPath } from '../src/atomic-sink.js';
import { fillDisk } from './fill-disk.js';
import {
  batchOf,
  checkpointAt,
  never,
  openSink,
  openSource,
  payloads,
  readBatches,
  temporaryFolder,
  testContext,
  textOf,
} from './harness.js';

const partitions = ['source:'];

/** Does something else instead of every sync of data, until the test ends. */
async function spyOnDatasync(instead: () => Promise<void>): Promise<Mock> {
  const handle = await open(process.execPath);
  const prototype = Object.getPrototypeOf(handle) as FileHandle; // the methods of every handle are there
  await handle.close();
  const datasync = vi.spyOn(prototype, 'datasync').mockImplementation(instead);
  onTestFinished(() => datasync.mockRestore());
  return datasync;
}

describe('an atomic sink', () => {
  const start = async (content = ['one', 'two']): Promise<{ path: string; sink: SinkDriver }> => {
    const path = join(await temporaryFolder(), 'out.log');
    const sink = await openSink({ path });
    await sink.claim?.(partitions);
    await sink.write(batchOf(...content), never);
    await sink.flush?.(checkpointAt(content.length), never);
    return { path, sink };
  };

  test('gives positions back with the data that they stand for, and forgets what was not flushed', async () => {
    const { path, sink } = await start();
    await sink.write(batchOf('not flushed'), never);
    await sink.close();
    expect(await textOf(path)).toBe('one\ntwo\nnot flushed\n');
    const context = testContext();
    const next = await openSink({ path }, context);
    expect(await next.claim?.([...partitions, 'source:other'])).toEqual(checkpointAt(2));
    expect(await textOf(path)).toBe('one\ntwo\n');
    expect(context.notices).toEqual([
      expect.stringMatching(/^cut 12 bytes off the end of ".*out\.log", behind the 8 that were recorded: /),
    ]);
    await next.claim?.(partitions);
    expect(context.notices).toHaveLength(1);
    await next.write(batchOf('three'), never);
    await next.flush?.(checkpointAt(3), never);
    expect(await next.claim?.(partitions)).toEqual(checkpointAt(3));
    expect(await textOf(path)).toBe('one\ntwo\nthree\n');
  });

  test('records nothing before the output is durable, and prepares the record meanwhile', async () => {
    const { path, sink } = await start();
    await sink.write(batchOf('three'), never);
    const before = await textOf(checkpointPath(path));
    const synced = Promise.withResolvers<void>();
    const datasync = await spyOnDatasync(() => synced.promise);
    const flushed = sink.flush?.(checkpointAt(3), never);
    await vi.waitFor(async () => expect(await readdir(dirname(path))).toContainEqual(expect.stringMatching(/\.tmp$/)));
    expect(datasync).toHaveBeenCalledTimes(1);
    expect(await textOf(checkpointPath(path))).toBe(before);
    synced.resolve();
    await flushed;
    expect(await sink.claim?.(partitions)).toEqual(checkpointAt(3));
  });

  test('records nothing when the output cannot be made durable', async () => {
    const { path, sink } = await start();
    await sink.write(batchOf('three'), never);
    const before = await textOf(checkpointPath(path));
    const datasync = await spyOnDatasync(() => Promise.reject(Object.assign(new Error('no'), { code: 'EIO' })));
    await expect(sink.flush?.(checkpointAt(3), never)).rejects.toMatchObject({ code: 'EIO' });
    datasync.mockRestore();
    expect(await textOf(checkpointPath(path))).toBe(before);
    expect(await sink.claim?.(partitions)).toEqual(checkpointAt(2));
    expect(await textOf(path)).toBe('one\ntwo\n');
  });

  test('keeps the positions of partitions that a flush does not name', async () => {
    const { sink } = await start();
    await sink.flush?.(checkpointAt(7, 'source:b'), never);
    expect(await sink.claim?.(['source:', 'source:b', 'source:c'])).toEqual({
      ...checkpointAt(2),
      ...checkpointAt(7, 'source:b'),
    });
  });

  test('stores a position that moved without messages', async () => {
    const { path, sink } = await start();
    await sink.flush?.(checkpointAt(9), never);
    await sink.close();
    expect(await (await openSink({ path })).claim?.(partitions)).toEqual(checkpointAt(9));
  });

  test('works without a claim, as for a source that cannot be read again', async () => {
    const path = join(await temporaryFolder(), 'out.log');
    for (const text of ['one', 'two']) {
      const sink = await openSink({ path });
      await sink.write(batchOf(text), never);
      await sink.flush?.({}, never);
      await sink.write(batchOf('lost'), never);
      await sink.close();
    }
    await (await openSink({ path })).claim?.([]);
    expect(await textOf(path)).toBe('one\ntwo\n');
  });

  test('refuses an output that is shorter than recorded, or gone', async () => {
    const { path, sink } = await start();
    await truncate(path, 5);
    const lost = {
      code: 'position_lost',
      message: expect.stringContaining(`"${path}" has 5 bytes, but 8 were recorded`) as string,
    };
    await expect(sink.claim?.(partitions)).rejects.toMatchObject(lost);
    expect(await textOf(path)).toBe('one\nt');
    await rm(path);
    await expect(sink.claim?.(partitions)).rejects.toMatchObject({ code: 'position_lost' });
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('refuses a checkpoint with any byte changed or missing', async () => {
    const { path, sink } = await start();
    const good = await readFile(`${path}.checkpoint`);
    for (let at = 0; at < good.length - 1; at++) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ 1;
      for (const bytes of [bad, good.subarray(0, at)]) {
        await writeFile(`${path}.checkpoint`, bytes);
        const error: unknown = await sink.claim?.(partitions).catch((reason: unknown) => reason);
        // A changed version is read as another version.
        expect(error, String(bytes)).toMatchObject({
          code: expect.stringMatching(/position_lost|unsupported/) as string,
        });
      }
    }
  });

  test('refuses a second one on the same output, until the first is closed', async () => {
    const { path, sink } = await start();
    const second = await openSink({ path });
    await expect(second.claim?.(partitions)).rejects.toMatchObject({
      code: 'fenced',
      message: expect.stringContaining(path) as string,
    });
    await sink.close();
    expect(await second.claim?.(partitions)).toEqual(checkpointAt(2));
  });

  test('is fenced where locks did not help and another instance has claimed', async () => {
    const { path, sink } = await start();
    await rm(`${path}.lock`); // as on a file system that does not lock
    const second = await openSink({ path });
    await second.claim?.(partitions);
    await sink.write(batchOf('three'), never);
    await expect(sink.flush?.(checkpointAt(3), never)).rejects.toMatchObject({ code: 'fenced' });
  });

  test('refuses to record an output that another program moved or wrote to', async () => {
    for (const disturb of [
      (path: string) => rename(path, `${path}.1`),
      (path: string) => appendFile(path, 'foreign\n'),
    ]) {
      const { path, sink } = await start();
      await disturb(path);
      await sink.write(batchOf('three'), never);
      await expect(sink.flush?.(checkpointAt(3), never)).rejects.toMatchObject({ code: 'fenced' });
      await sink.close();
      const stored = JSON.parse(await textOf(`${path}.checkpoint`)) as { checkpoint: unknown };
      expect(stored.checkpoint).toMatchObject({ length: 8, positions: checkpointAt(2) });
    }
  });

  test('refuses the output of another pipeline that keeps positions there', async () => {
    const { path, sink } = await start();
    await sink.close();
    const other = await openSink({ path }, testContext('other'));
    await expect(other.claim?.(partitions)).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('is written by pipeline "test"') as string,
    });
  });

  test('takes nothing before it is claimed again after a failed flush, and the claim says whether it happened', async () => {
    const path = join(await temporaryFolder(), 'out.log');
    const sink = await openSink({ path });
    await sink.claim?.(partitions);
    await sink.write(batchOf('one'), never);
    const makeRoom = await fillDisk(0);
    await expect(sink.flush?.(checkpointAt(1), never)).rejects.toMatchObject({ code: 'ENOSPC' });
    makeRoom();
    await expect(sink.write(batchOf('two'), never)).rejects.toMatchObject({ code: 'conflict' });
    expect(await sink.claim?.(partitions)).toEqual({});
    expect(await textOf(path)).toBe('');
    await sink.write(batchOf('one', 'two'), never);
    await sink.flush?.(checkpointAt(2), never);
    expect(await textOf(path)).toBe('one\ntwo\n');
  });

  test('refuses a socket, and says what else to do', async () => {
    const path = join(await temporaryFolder(), 'socket');
    const server = createServer().listen(path);
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const sink = await openSink({ path });
    await expect(sink.claim?.(partitions)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('atomic to false') as string,
    });
  });

  test.each(['.gz', '.zst'])('cuts a %s output off between two of its parts', async (extension) => {
    const path = join(await temporaryFolder(), `out.log${extension}`);
    const sink = await openSink({ path });
    await sink.claim?.(partitions);
    for (let count = 1; count <= 3; count++) {
      await sink.write(batchOf(`line ${count}`), never);
      await sink.flush?.(checkpointAt(count), never);
    }
    await sink.close();
    await appendFile(path, (await readFile(path)).subarray(0, 11));
    const next = await openSink({ path });
    await next.claim?.(partitions);
    await next.write(batchOf('line 4'), never);
    await next.flush?.(checkpointAt(4), never);
    expect(payloads(await readBatches(await openSource({ path }), path))).toEqual([
      'line 1',
      'line 2',
      'line 3',
      'line 4',
    ]);
  });
});
