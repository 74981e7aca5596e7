import { appendFile, copyFile, open, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { SourceDriver } from '@sluice/core/driver';
import { expect, onTestFinished, test } from 'vitest';
import { awaitChange } from '../src/file-change.js';
import { identify } from '../src/file-identity.js';
import { never, openSource, patience, Reader, temporaryFolder, testContext } from './harness.js';

const quick = { follow: true, pollIntervalMs: 5, scanIntervalMs: 5, rotateWaitMs: 50 } as const;

async function follow(
  content?: string,
  context = testContext(),
): Promise<{ path: string; driver: SourceDriver; reader: Reader }> {
  const path = join(await temporaryFolder(), 'app.log');
  if (content !== undefined) await writeFile(path, content);
  const driver = await openSource({ path, ...quick }, context);
  return { path, driver, reader: new Reader(driver, path) };
}

test('reads what is appended, and a line only once its newline has come', async () => {
  const { path, reader } = await follow('one\nhalf');
  await expect.poll(reader.seen, patience).toEqual(['one']);
  await appendFile(path, ' and half\ntwo');
  await expect.poll(reader.seen, patience).toEqual(['one', 'half and half']);
  await appendFile(path, '\n');
  await expect.poll(reader.seen, patience).toEqual(['one', 'half and half', 'two']);
});

test('waits for a file that does not exist yet, and says so', async () => {
  const context = testContext();
  const { path, reader } = await follow(undefined, context);
  await expect.poll(() => context.notices).toEqual([`"${path}" does not exist; waiting for it`]);
  await writeFile(path, 'one\n');
  await expect.poll(reader.seen, patience).toEqual(['one']);
});

test('reads a renamed file to its end, late lines included, before the new one', async () => {
  const { path, reader } = await follow('one\n');
  await expect.poll(reader.seen, patience).toEqual(['one']);
  await appendFile(path, 'two\n');
  await rename(path, `${path}.1`);
  await writeFile(path, 'four\n');
  await appendFile(`${path}.1`, 'three\n');
  await expect.poll(reader.seen, patience).toEqual(['one', 'two', 'three', 'four']);
});

test('counts a renamed file as complete once it was quiet for the time that is set, and not before', async () => {
  const path = join(await temporaryFolder(), 'app.log');
  await writeFile(path, 'one\n');
  const handle = await open(path);
  onTestFinished(() => handle.close());
  await rename(path, `${path}.1`);
  const watched = { path, handle, offset: 4, identity: await identify(handle, 0n, 4) };
  const started = performance.now();
  expect(await awaitChange(watched, { pollIntervalMs: 5, rotateWaitMs: 300 }, never)).toBe('finished');
  expect(performance.now() - started).toBeGreaterThanOrEqual(300);
  await appendFile(`${path}.1`, 'late\n');
  expect(await awaitChange(watched, { pollIntervalMs: 5, rotateWaitMs: 0 }, never)).toBe('grown');
});

test('takes the last line of a rotated file as it is, without newline', async () => {
  const { path, reader } = await follow('one\ntwo');
  await expect.poll(reader.seen, patience).toEqual(['one']);
  await rename(path, `${path}.1`);
  await expect.poll(reader.seen, patience).toEqual(['one', 'two']);
  await writeFile(path, 'three\n');
  await expect.poll(reader.seen, patience).toEqual(['one', 'two', 'three']);
});

test('reads every file when several rotations happen at once', async () => {
  const { path, reader } = await follow('one\n');
  await expect.poll(reader.seen, patience).toEqual(['one']);
  await rename(path, `${path}.1`);
  await writeFile(path, 'two\n');
  await rename(`${path}.1`, `${path}.2`);
  await rename(path, `${path}.1`);
  await writeFile(path, 'three\n');
  await expect.poll(reader.seen, patience).toEqual(['one', 'two', 'three']);
});

test('goes on after deletion and creation', async () => {
  const { path, reader } = await follow('one\n');
  await expect.poll(reader.seen, patience).toEqual(['one']);
  await appendFile(path, 'two\n');
  await rm(path);
  await expect.poll(reader.seen, patience).toEqual(['one', 'two']);
  await writeFile(path, 'three\n');
  await expect.poll(reader.seen, patience).toEqual(['one', 'two', 'three']);
});

test('goes on from the start of a file that was copied and truncated, and says so', async () => {
  const context = testContext();
  const { path, reader } = await follow('one\ntwo\n', context);
  await expect.poll(reader.seen, patience).toEqual(['one', 'two']);
  await copyFile(path, `${path}.1`);
  await truncate(path, 0);
  await expect.poll(() => context.notices).toEqual([expect.stringContaining('was truncated after byte 8')]);
  await appendFile(path, 'three\n');
  await expect.poll(reader.seen, patience).toEqual(['one', 'two', 'three']);
});

test('notices a truncation also when the file has grown past its old end since', async () => {
  const { path, reader } = await follow('one\ntwo\n');
  await expect.poll(reader.seen, patience).toEqual(['one', 'two']);
  await writeFile(path, 'three, longer than everything before\n');
  await expect.poll(reader.seen, patience).toEqual(['one', 'two', 'three, longer than everything before']);
});

test('loses and repeats nothing when it is stopped and started at any time between rotations', async () => {
  const { path, reader: first } = await follow('0\n');
  const received: string[] = [];
  const expected = ['0'];
  let reader = first;
  let position: Reader['position'];
  for (let round = 1; round < 25; round++) {
    if (round % 3 === 0) await rename(path, `${path}.${String(round).padStart(3, '0')}`);
    await appendFile(path, `${round}\n`);
    expected.push(String(round));
    if (round % 4 === 0) await expect.poll(() => received.length + reader.received.length).toBeGreaterThan(round / 2);
    if (round % 2 === 1) continue;
    await reader.stop();
    received.push(...reader.received);
    position = reader.position ?? position;
    // A driver of its own, as after a restart of the process.
    reader = new Reader(await openSource({ path, ...quick }), path, position);
  }
  await expect.poll(() => reader.failure ?? [...received, ...reader.received], { timeout: 10_000 }).toEqual(expected);
});

test('goes on where it was after the file was rotated while nobody read it', async () => {
  const { path, driver, reader } = await follow('one\ntwo\n');
  await expect.poll(reader.seen, patience).toEqual(['one', 'two']);
  await reader.stop();
  await appendFile(path, 'three\n');
  await rename(path, `${path}-20260101`);
  await writeFile(path, 'four\n');
  const later = new Reader(driver, path, reader.position);
  await expect.poll(later.seen, patience).toEqual(['three', 'four']);
});

test('goes on after a file that was read to its end and deleted while nobody looked', async () => {
  const { path, driver, reader } = await follow('one\n');
  await expect.poll(reader.seen, patience).toEqual(['one']);
  await rm(path);
  await expect.poll(() => JSON.stringify(reader.position)).toContain('finishedNs');
  await reader.stop();
  await writeFile(path, 'two\n');
  const later = new Reader(driver, path, reader.position);
  await expect.poll(later.seen, patience).toEqual(['two']);
});

test('can begin at the end of a file', async () => {
  const { path, driver, reader } = await follow('one\ntwo\n');
  await expect.poll(reader.seen, patience).toEqual(['one', 'two']);
  await reader.stop();
  const late = new Reader(driver, path, undefined, 'latest');
  await expect.poll(() => late.position).toBeDefined();
  await appendFile(path, 'three\n');
  await expect.poll(late.seen, patience).toEqual(['three']);
});

test('ends within a second of its abort', async () => {
  const { reader } = await follow('one\n');
  await expect.poll(reader.seen, patience).toEqual(['one']);
  const started = performance.now();
  await reader.stop();
  expect(performance.now() - started).toBeLessThan(1000);
});

test('ends when the driver is closed', async () => {
  const { driver, reader } = await follow('one\n');
  await expect.poll(reader.seen, patience).toEqual(['one']);
  await driver.close();
  await expect.poll(() => reader.ended).toBe(true);
});

/** Holds partitions and reads them, as the engine does. */
class Follower {
  readonly readers = new Map<string, Reader>();
  readonly #abort = new AbortController();
  readonly #positions = new Map<string, Reader['position']>();
  readonly #done: Promise<void>;

  constructor(driver: SourceDriver) {
    this.#done = this.#follow(driver);
    onTestFinished(() => this.stop());
  }

  async #follow(driver: SourceDriver): Promise<void> {
    for await (const set of driver.partitions?.(this.#abort.signal) ?? []) {
      for (const [path, reader] of this.readers) {
        if (set.includes(path)) continue;
        await reader.stop();
        this.#positions.set(path, reader.position);
        this.readers.delete(path);
      }
      for (const path of set) {
        if (!this.readers.has(path)) this.readers.set(path, new Reader(driver, path, this.#positions.get(path)));
      }
    }
  }

  readonly seen = (): Record<string, unknown> =>
    Object.fromEntries([...this.readers].map(([path, reader]) => [basename(path), reader.seen()]));

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#done;
  }
}

test('finds new files of a pattern while it runs', async () => {
  const folder = await temporaryFolder();
  const follower = new Follower(await openSource({ path: `${folder}/*.log`, ...quick }));
  await expect.poll(follower.seen, patience).toEqual({});
  await writeFile(join(folder, 'a.log'), 'a1\n');
  await expect.poll(follower.seen, patience).toEqual({ 'a.log': ['a1'] });
  await writeFile(join(folder, 'b.log'), 'b1\n');
  await appendFile(join(folder, 'a.log'), 'a2\n');
  await expect.poll(follower.seen, patience).toEqual({ 'a.log': ['a1', 'a2'], 'b.log': ['b1'] });
});

test('gives a deleted file of a pattern up, and takes one of the same name for new', async () => {
  const folder = await temporaryFolder();
  const path = join(folder, 'a.log');
  await writeFile(path, 'a1\n');
  const follower = new Follower(await openSource({ path: `${folder}/*.log`, ...quick }));
  await expect.poll(follower.seen, patience).toEqual({ 'a.log': ['a1'] });
  await rm(path);
  await expect.poll(follower.seen, patience).toEqual({});
  await writeFile(path, 'a2\n');
  await expect.poll(follower.seen, patience).toEqual({ 'a.log': ['a2'] });
});

test('reads a file of a pattern once that is rotated to a name which matches, too, and says so', async () => {
  const folder = await temporaryFolder();
  const path = join(folder, 'app.log');
  const context = testContext();
  await writeFile(path, 'one\n');
  const follower = new Follower(await openSource({ path: `${folder}/app.log*`, ...quick }, context));
  await expect.poll(follower.seen, patience).toEqual({ 'app.log': ['one'] });
  await rename(path, `${path}.1`);
  await writeFile(path, 'two\n');
  await writeFile(`${path}.2.gz`, gzipSync('old\n'));
  await expect.poll(follower.seen, patience).toEqual({ 'app.log': ['one', 'two'] });
  await expect.poll(() => context.notices).toEqual([expect.stringContaining('not read twice')]);
});
