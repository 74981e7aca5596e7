import { once } from 'node:events';
import {
  appendFile,
  type FileHandle,
  mkdir,
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
import { join } from 'node:path';
import type { BatchError, SinkDriver } from '@sluice/core/driver';
import { describe, expect, onTestFinished, test } from 'vitest';
import { sinkConfig } from '../src/config.js';
import { classifyFileError } from '../src/error.js';
import { checkFileSink, discoverOutput } from '../src/sink.js';
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

async function outputs(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => !/\.(checkpoint|lock)$/.test(name)).sort();
}

describe.each([true, false])('with atomic: %s', (atomic) => {
  test('appends lines, in order, and makes the folder', async () => {
    const path = join(await temporaryFolder(), 'deep/er/out.ndjson');
    const sink = await openSink({ path, atomic });
    await sink.claim?.(partitions);
    await sink.write(batchOf('one', 'two'), never);
    await sink.write(batchOf('', 'three'), never);
    await sink.flush?.(checkpointAt(4), never);
    expect(await textOf(path)).toBe('one\ntwo\n\nthree\n');
  });

  test('appends to what is there, and ends a line that lacks its newline first', async () => {
    const path = join(await temporaryFolder(), 'out.log');
    await writeFile(path, 'by hand');
    const sink = await openSink({ path, atomic });
    await sink.claim?.(partitions);
    await sink.write(batchOf('one'), never);
    await sink.flush?.(checkpointAt(1), never);
    expect(await textOf(path)).toBe('by hand\none\n');
  });

  test('writes a csv header once, also after it was opened again', async () => {
    const path = join(await temporaryFolder(), 'out.csv');
    const csv = { type: 'csv', columns: ['id', 'text'] } as const;
    for (const id of [1, 2]) {
      const sink = await openSink({ path, atomic, framing: csv });
      await sink.claim?.(partitions);
      await sink.write(batchOf({ id, text: 'a, b' }), never);
      await sink.flush?.(checkpointAt(id), never);
      await sink.close();
    }
    expect(await textOf(path)).toBe('id,text\n1,"a, b"\n2,"a, b"\n');
  });

  test('writes what a source reads back, for every framing and compression', async () => {
    const folder = await temporaryFolder();
    for (const framing of ['lines', 'length-prefixed'] as const) {
      for (const extension of ['', '.gz', '.zst']) {
        const path = join(folder, `${framing}${extension}`);
        const sink = await openSink({ path, framing, atomic });
        await sink.claim?.(partitions);
        for (let round = 0; round < 3; round++) {
          await sink.write(batchOf(`a${round}`, `b${round}`), never);
          if (round !== 1) await sink.flush?.(checkpointAt(round), never);
        }
        const read = await readBatches(await openSource({ path, framing }), path);
        expect(payloads(read)).toEqual(['a0', 'b0', 'a1', 'b1', 'a2', 'b2']);
      }
    }
  });

  test('names the messages that it cannot write', async () => {
    const path = join(await temporaryFolder(), 'out.log');
    const sink = await openSink({ path, atomic });
    await sink.claim?.(partitions);
    const failure = sink.write(batchOf('one', 'with\nnewline', 'two', null), never);
    await expect(failure).rejects.toMatchObject({ failures: [{ index: 1 }, { index: 3 }] });
    for (const { error } of (await failure.catch((reason: unknown) => reason as BatchError))?.failures ?? []) {
      expect(error).toMatchObject({ code: 'message_invalid' });
    }
    await sink.flush?.({}, never);
    // An atomic sink has stored nothing of such a write, any other one all the rest.
    expect(await textOf(path)).toBe(atomic ? '' : 'one\ntwo\n');
  });

  test('rotates by size when a flush is done, and never writes over a rotated file', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'out.log');
    await writeFile(join(folder, 'out.000007.log'), 'old\n');
    const sink = await openSink({ path, atomic, rotate: { maxBytes: 8 } });
    await sink.claim?.(partitions);
    for (const [index, text] of ['one', 'two', 'three', 'four', 'five'].entries()) {
      await sink.write(batchOf(text), never);
      await sink.flush?.(checkpointAt(index), never);
    }
    expect(await outputs(folder)).toEqual(['out.000007.log', 'out.000008.log', 'out.000009.log', 'out.log']);
    expect(await textOf(join(folder, 'out.000008.log'))).toBe('one\ntwo\n');
    expect(await textOf(join(folder, 'out.000009.log'))).toBe('three\nfour\n');
    expect(await textOf(path)).toBe('five\n');
  });

  test('rotates by age', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'out.log');
    const sink = await openSink({ path, atomic, rotate: { maxAgeMs: 20 } });
    await sink.claim?.(partitions);
    await sink.write(batchOf('one'), never);
    await sink.flush?.(checkpointAt(1), never);
    const flushed = async (): Promise<string[]> => {
      await sink.flush?.({}, never);
      return outputs(folder);
    };
    await expect.poll(flushed).toEqual(['out.000001.log', 'out.log']);
    expect(await textOf(join(folder, 'out.000001.log'))).toBe('one\n');
  });

  test('begins every rotated csv file with the header', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'out.csv');
    const sink = await openSink({ path, atomic, framing: { type: 'csv', columns: ['id'] }, rotate: { maxBytes: 1 } });
    await sink.claim?.(partitions);
    for (const id of [1, 2]) {
      await sink.write(batchOf({ id }), never);
      await sink.flush?.(checkpointAt(id), never);
    }
    expect(await textOf(join(folder, 'out.000001.csv'))).toBe('id\n1\n');
    expect(await textOf(join(folder, 'out.000002.csv'))).toBe('id\n2\n');
  });

  test('says that the disk is full, keeps whole writes only, and goes on when there is room again', async () => {
    const path = join(await temporaryFolder(), 'out.log');
    const sink = await openSink({ path, atomic });
    await sink.claim?.(partitions);
    await sink.write(batchOf('first'), never);
    await sink.flush?.(checkpointAt(1), never);
    const makeRoom = await fillDisk(7);
    const error: unknown = await sink.write(batchOf('second', 'third'), never).catch((reason: unknown) => reason);
    expect(classifyFileError(error)).toEqual({
      code: 'resource_exhausted',
      message: expect.stringContaining(path) as string,
    });
    expect(await textOf(path)).toBe('first\n');
    makeRoom();
    await sink.write(batchOf('second', 'third'), never);
    await sink.flush?.(checkpointAt(3), never);
    expect(await textOf(path)).toBe('first\nsecond\nthird\n');
  });

  test('passes the check where it may write, and discovery tells what there is', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'deep/out.log');
    const config = sinkConfig.parse({ path, atomic });
    await checkFileSink(config);
    expect(await readdir(folder)).toEqual([]);
    expect(await discoverOutput(config)).toEqual([]);
    await mkdir(join(folder, 'deep'));
    await writeFile(path, 'x\n');
    await checkFileSink(config);
    expect(await discoverOutput(config)).toMatchObject([{ name: path, details: { bytes: 2 } }]);
    await expect(checkFileSink(sinkConfig.parse({ path: join(path, 'below') }))).rejects.toMatchObject({
      code: 'ENOTDIR',
    });
  });
});

/**
 * A disk that has room for so many more bytes, as far as this process writes to open files: a real one takes a right that
 * tests do not have. Like a real one it takes what still fits.
 */
async function fillDisk(roomBytes: number): Promise<() => void> {
  const handle = await open(import.meta.filename);
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const { writeFile: writeAll } = prototype;
  const write = prototype.write as (
    bytes: Uint8Array,
    offset: number,
    length: number,
  ) => Promise<{ bytesWritten: number }>;
  const full = (): Error => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  let room = roomBytes;
  Object.assign(prototype, {
    async write(this: FileHandle, bytes: Uint8Array, offset = 0) {
      if (room === 0) throw full();
      const { bytesWritten } = await write.call(this, bytes, offset, Math.min(room, bytes.length - offset));
      room -= bytesWritten;
      return { bytesWritten };
    },
    writeFile: () => Promise.reject(full()),
  });
  const makeRoom = (): void => {
    Object.assign(prototype, { write, writeFile: writeAll });
  };
  onTestFinished(makeRoom);
  return makeRoom;
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
    const next = await openSink({ path });
    expect(await next.claim?.([...partitions, 'source:other'])).toEqual(checkpointAt(2));
    expect(await textOf(path)).toBe('one\ntwo\n');
    await next.write(batchOf('three'), never);
    await next.flush?.(checkpointAt(3), never);
    expect(await next.claim?.(partitions)).toEqual(checkpointAt(3));
    expect(await textOf(path)).toBe('one\ntwo\nthree\n');
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

describe('a sink that only appends', () => {
  test('shares its file with others', async () => {
    const path = join(await temporaryFolder(), 'out.log');
    const sinks = [await openSink({ path, atomic: false }), await openSink({ path, atomic: false })];
    for (let round = 0; round < 50; round++)
      await Promise.all(sinks.map((sink, index) => sink.write(batchOf(`${index}`), never)));
    const lines = (await textOf(path)).split('\n');
    expect([
      lines.length,
      lines.filter((line) => line === '0').length,
      lines.filter((line) => line === '1').length,
    ]).toEqual([101, 50, 50]);
  });

  test('goes on in a new file when another program has renamed the old one', async () => {
    const path = join(await temporaryFolder(), 'out.log');
    const sink = await openSink({ path, atomic: false });
    await sink.write(batchOf('one'), never);
    await rename(path, `${path}.1`);
    await sink.flush?.({}, never);
    await sink.write(batchOf('two'), never);
    expect([await textOf(`${path}.1`), await textOf(path)]).toEqual(['one\n', 'two\n']);
  });

  test('writes to a device, and reports that it is full', async () => {
    const sink = await openSink({ path: '/dev/full', atomic: false });
    const error: unknown = await sink.write(batchOf('one'), never).catch((reason: unknown) => reason);
    expect(classifyFileError(error)).toMatchObject({
      code: 'resource_exhausted',
      message: expect.stringContaining('/dev/full') as string,
    });
    const drain = await openSink({ path: '/dev/null', atomic: false });
    await drain.write(batchOf('one'), never);
    await drain.flush?.({}, never);
  });
});
