import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BatchError } from '@sluice/core/driver';
import { describe, expect, test } from 'vitest';
import { sinkConfig } from '../src/config.js';
import { classifyFileError } from '../src/error.js';
import { checkFileSink, discoverOutput } from '../src/sink.js';
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

  test('says at the flush at the latest that the disk is full, keeps whole writes only, and goes on when there is room again', async () => {
    const path = join(await temporaryFolder(), 'out.log');
    const sink = await openSink({ path, atomic });
    await sink.claim?.(partitions);
    await sink.write(batchOf('first'), never);
    await sink.flush?.(checkpointAt(1), never);
    const makeRoom = await fillDisk(7);
    const error: unknown = await sink
      .write(batchOf('second', 'third'), never)
      .then(() => sink.flush?.(checkpointAt(3), never))
      .catch((reason: unknown) => reason);
    expect(classifyFileError(error)).toEqual({
      code: 'resource_exhausted',
      message: expect.stringContaining(path) as string,
    });
    expect(await textOf(path)).toBe('first\n');
    makeRoom();
    await sink.claim?.(partitions);
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
