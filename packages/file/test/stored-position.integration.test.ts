import { rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Position, SourceBatch } from '@sluice/core/driver';
import { describe, expect, test } from 'vitest';
import { never, openSource, payloads, readBatches, temporaryFolder } from './harness.js';

describe('a stored position', () => {
  const start = async (): Promise<{ path: string; position: Position }> => {
    const path = join(await temporaryFolder(), 'app.log');
    await writeFile(path, 'one\ntwo\n');
    const [batch] = await readBatches(await openSource({ path }), path);
    return { path, position: batch?.positionAt?.(0) ?? null };
  };
  const read = async (path: string, position: Position): Promise<unknown> =>
    readBatches(await openSource({ path }), path, position).then(payloads, (error: unknown) => error);

  test('goes on in a file that has grown', async () => {
    const { path, position } = await start();
    await writeFile(path, 'three\n', { flag: 'a' });
    expect(await read(path, position)).toEqual(['two', 'three']);
  });

  test('follows a file that was renamed, and then takes the new one', async () => {
    const { path, position } = await start();
    await rename(path, `${path}.1`);
    await writeFile(path, 'three\n');
    expect(await read(path, position)).toEqual(['two', 'three']);
  });

  test('takes the files of several rotations in their order', async () => {
    const { path, position } = await start();
    await rename(path, `${path}.2`);
    await writeFile(`${path}.1`, 'three\n');
    await writeFile(path, 'four\n');
    expect(await read(path, position)).toEqual(['two', 'three', 'four']);
  });

  test('is lost when the file was replaced and is nowhere any more', async () => {
    const { path, position } = await start();
    await writeFile(`${path}.new`, 'something else\n');
    await rename(`${path}.new`, path);
    expect(await read(path, position)).toMatchObject({
      code: 'position_lost',
      message: expect.stringContaining('is another file now') as string,
    });
  });

  test('is lost when another file got the inode', async () => {
    const { path, position } = await start();
    await writeFile(path, 'something else of the same inode\n');
    expect(await read(path, position)).toMatchObject({
      code: 'position_lost',
      message: expect.stringContaining('written anew') as string,
    });
  });

  test('is lost when the file is shorter than that', async () => {
    const { path } = await start();
    await writeFile(path, Buffer.alloc(5000, 'x\n'));
    const [long] = await readBatches(await openSource({ path }), path);
    await truncate(path, 1500);
    expect(await read(path, long?.position ?? null)).toMatchObject({
      code: 'position_lost',
      message: expect.stringContaining('truncated to 1500 bytes') as string,
    });
  });

  test('is lost when it is none of this connector', async () => {
    const { path } = await start();
    for (const position of [null, 7, { offset: 3 }]) {
      expect(await read(path, position)).toMatchObject({
        code: 'position_lost',
        message: expect.stringContaining('not one of a file') as string,
      });
    }
  });

  test.each([
    ['earliest', ['one', 'two']],
    ['latest', []],
  ] as const)('can be given up for the %s one', async (startAt, expected) => {
    const { path } = await start();
    const options = { maxMessages: 10, maxBytes: 1000, signal: never, start: startAt };
    const batches: SourceBatch[] = [];
    const driver = await openSource({ path });
    for await (const batch of driver.read(path, undefined, options)) batches.push(batch);
    expect(payloads(batches)).toEqual(expected);
    // Wherever reading began, it goes on behind it.
    expect(await read(path, batches.at(-1)?.position ?? null)).toEqual([]);
  });
});
