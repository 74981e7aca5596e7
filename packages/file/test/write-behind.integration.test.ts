import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { SinkDriver } from '@sluice/core/driver';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { fillDisk } from './fill-disk.js';
import { batchOf, checkpointAt, never, openSink, temporaryFolder, textOf } from './harness.js';

const partitions = ['source:'];

/** Lets nothing be written before the promise it is given, until the test ends. */
async function delayWrites(until: Promise<void>): Promise<void> {
  const handle = await open(process.execPath);
  await handle.close();
  const prototype = Object.getPrototypeOf(handle) as FileHandle; // the methods of every handle are there
  const write = prototype.write as (...of: unknown[]) => Promise<never>; // whichever of its forms is called
  const delayed = vi.spyOn(prototype, 'write').mockImplementation(async function (this: FileHandle, ...of: unknown[]) {
    await until;
    return write.apply(this, of);
  });
  onTestFinished(() => delayed.mockRestore());
}

describe('an atomic sink that writes behind', () => {
  const start = async (): Promise<{ path: string; sink: SinkDriver }> => {
    const path = join(await temporaryFolder(), 'out.log');
    const sink = await openSink({ path });
    await sink.claim?.(partitions);
    await sink.write(batchOf('one', 'two'), never);
    await sink.flush?.(checkpointAt(2), never);
    return { path, sink };
  };

  test('takes two writes over while the disk is busy, and no third; all come in order', async () => {
    const { path, sink } = await start();
    const ready = Promise.withResolvers<void>();
    await delayWrites(ready.promise);
    await sink.write(batchOf('three'), never);
    await sink.write(batchOf('four'), never);
    let taken = 0;
    const third = sink.write(batchOf('five'), never).then(() => taken++);
    await new Promise(setImmediate);
    expect([taken, await textOf(path)]).toEqual([0, 'one\ntwo\n']);
    ready.resolve();
    await third;
    await sink.flush?.(checkpointAt(5), never);
    expect(await textOf(path)).toBe('one\ntwo\nthree\nfour\nfive\n');
  });

  test('keeps what it has taken over apart from what it refuses meanwhile', async () => {
    const { path, sink } = await start();
    const ready = Promise.withResolvers<void>();
    await delayWrites(ready.promise);
    await sink.write(batchOf('three'), never);
    await expect(sink.write(batchOf('wrong', 'new\nline'), never)).rejects.toMatchObject({ failures: [{ index: 1 }] });
    await sink.write(batchOf('four'), never);
    ready.resolve();
    await sink.flush?.(checkpointAt(4), never);
    expect(await textOf(path)).toBe('one\ntwo\nthree\nfour\n');
  });

  test('takes nothing more once a write that it had taken over has failed, until it is claimed again', async () => {
    const { path, sink } = await start();
    const makeRoom = await fillDisk(3);
    await sink.write(batchOf('three'), never);
    await expect(sink.flush?.(checkpointAt(3), never)).rejects.toMatchObject({ code: 'ENOSPC' });
    makeRoom();
    await expect(sink.write(batchOf('four'), never)).rejects.toMatchObject({ code: 'conflict' });
    expect(await sink.claim?.(partitions)).toEqual(checkpointAt(2));
    await sink.write(batchOf('three'), never);
    const fillAgain = await fillDisk(3);
    await sink.write(batchOf('four'), never);
    await expect.poll(() => sink.write(batchOf('five'), never).then(() => 'taken', String)).toMatch('ENOSPC');
    fillAgain();
    await expect(sink.write(batchOf('six'), never)).rejects.toMatchObject({ code: 'ENOSPC' });
    await expect(sink.flush?.(checkpointAt(6), never)).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(await sink.claim?.(partitions)).toEqual(checkpointAt(2));
    expect(await textOf(path)).toBe('one\ntwo\n');
  });
});
