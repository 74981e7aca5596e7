import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { Position, SourceBatch } from '@sluice/core/driver';
import { describe, expect, test } from 'vitest';
import { sourceConfig } from '../src/config.js';
import { classifyFileError } from '../src/error.js';
import { checkFileSource, discoverFiles } from '../src/source.js';
import { never, openSource, payloads, readBatches, temporaryFolder } from './harness.js';

const lengthPrefixed = (...texts: string[]): string => {
  const parts = texts.map((text) => `\0\0\0${String.fromCharCode(text.length)}${text}`);
  return parts.join('');
};

const framings = [
  {
    framing: 'lines',
    content: 'one\ntwo\r\n\nfour: ü\nlast without newline',
    messages: ['one', 'two', '', 'four: Ã¼', 'last without newline'],
  },
  {
    framing: 'csv',
    content: 'id,text\n1,"a, b"\n2,"two\nlines"\n3,c\n',
    messages: [
      { id: '1', text: 'a, b' },
      { id: '2', text: 'two\nlines' },
      { id: '3', text: 'c' },
    ],
  },
  { framing: 'length-prefixed', content: lengthPrefixed('a', '', 'c\nd'), messages: ['a', '', 'c\nd'] },
  { framing: 'whole', content: 'all\nof it', messages: ['all\nof it'] },
] as const;

const compressions = [
  { extension: '', compress: (bytes: Buffer) => bytes },
  {
    extension: '.gz',
    compress: (bytes: Buffer) => Buffer.concat([gzipSync(bytes.subarray(0, 9)), gzipSync(bytes.subarray(9))]),
  },
  {
    extension: '.zst',
    compress: (bytes: Buffer) =>
      Buffer.concat([zstdCompressSync(bytes.subarray(0, 9)), zstdCompressSync(bytes.subarray(9))]),
  },
];

/** Every position that a stretch of reading can end at, with the number of messages before it. */
function positionsOf(batches: readonly SourceBatch[]): { readonly count: number; readonly position: Position }[] {
  let count = 0;
  return batches.flatMap(({ messages, positionAt }) =>
    messages.map((_, index) => ({ count: ++count, position: positionAt?.(index) ?? null })),
  );
}

/** Where two long lists differ: showing all of both would take minutes. */
function firstDifference(found: readonly unknown[], expected: readonly unknown[]): unknown {
  const index = Array.from({ length: Math.max(found.length, expected.length) }).findIndex(
    (_, at) => found[at] !== expected[at],
  );
  return index === -1 ? undefined : { index, found: found[index], expected: expected[index] };
}

describe.each(compressions)('a file "data$extension"', ({ extension, compress }) => {
  test.each(framings)(
    'is read as $framing, and goes on after every position',
    async ({ framing, content, messages }) => {
      const path = join(await temporaryFolder(), `data${extension}`);
      await writeFile(path, compress(Buffer.from(content)));
      for (const limits of [{}, { maxMessages: 1 }, { maxBytes: 3 }]) {
        const driver = await openSource({ path, framing });
        const batches = await readBatches(driver, path, undefined, limits);
        expect(payloads(batches)).toEqual(messages);
        expect(new Set(batches.flatMap((batch) => batch.messages.map(({ topic }) => topic)))).toEqual(new Set([path]));
        const positions = positionsOf(batches);
        expect(positions).toHaveLength(messages.length);
        for (const { count, position } of positions) {
          // As the engine gives it back after a restart.
          const stored = JSON.parse(JSON.stringify(position)) as Position;
          expect(payloads(await readBatches(await openSource({ path, framing }), path, stored, limits))).toEqual(
            messages.slice(count),
          );
        }
      }
    },
  );

  test('is read in full, across many chunks, and resumed in its middle', async () => {
    const path = join(await temporaryFolder(), `big${extension}`);
    const lines = Array.from({ length: 200_000 }, (_, index) => `line ${index}`);
    await writeFile(path, compress(Buffer.from(`${lines.join('\n')}\n`)));
    const batches = await readBatches(await openSource({ path }), path, undefined, { maxMessages: 700 });
    expect(firstDifference(payloads(batches), lines)).toBeUndefined();
    const half = Math.floor(batches.length / 2);
    const rest = await readBatches(await openSource({ path }), path, batches[half]?.position);
    expect(firstDifference(payloads(rest), payloads(batches.slice(half + 1)))).toBeUndefined();
  });

  test('that is empty ends at once', async () => {
    const path = join(await temporaryFolder(), `empty${extension}`);
    await writeFile(path, '');
    expect(await readBatches(await openSource({ path }), path)).toEqual([]);
  });
});

describe('a damaged compressed file', () => {
  test.each(['.gz', '.zst'])('%s is refused, naming it', async (extension) => {
    const path = join(await temporaryFolder(), `cut${extension}`);
    const whole = extension === '.gz' ? gzipSync('one\ntwo\n') : zstdCompressSync('one\ntwo\n');
    for (const bytes of [whole.subarray(0, whole.length - 3), Buffer.from('no such format')]) {
      await writeFile(path, bytes);
      const error: unknown = await readBatches(await openSource({ path }), path).catch((reason: unknown) => reason);
      expect(classifyFileError(error)).toEqual({
        code: 'unsupported',
        message: expect.stringContaining(path) as string,
      });
    }
  });
});

describe('messages', () => {
  test('stay as they are while later chunks are read', async () => {
    const path = join(await temporaryFolder(), 'chunks');
    const lines = Array.from({ length: 1000 }, (_, index) => `line ${index}`);
    await writeFile(path, lines.join('\n'));
    // Looked at only when all were read.
    expect(payloads(await readBatches(await openSource({ path }), path, undefined, { maxBytes: 100 }))).toEqual(lines);
  });

  test('come with the number of bytes that are still to be read', async () => {
    const path = join(await temporaryFolder(), 'lag');
    await writeFile(path, 'aaa\nbbb\nccc\n');
    const batches = await readBatches(await openSource({ path }), path, undefined, { maxMessages: 1 });
    expect(batches.map(({ lag }) => lag)).toEqual([8, 4, 0]);
  });

  test('that their framing refuses are failures with their bytes, and reading goes on', async () => {
    const path = join(await temporaryFolder(), 'rows.csv');
    await writeFile(path, 'a,b\n1,2\nonly one\n3,4\n');
    const [batch] = await readBatches(await openSource({ path, framing: 'csv' }), path);
    expect(payloads(batch ? [batch] : [])).toEqual([{ a: '1', b: '2' }, 'only one', { a: '3', b: '4' }]);
    expect(batch?.failures).toEqual([
      { index: 1, error: expect.objectContaining({ code: 'message_invalid' }) as unknown },
    ]);
  });
});

describe('a pattern', () => {
  test('reads a few files at a time, in the order of their names, until all are read', async () => {
    const folder = await temporaryFolder();
    const names = ['b.log', 'a.log', 'd.log', 'c.log', 'e.log'];
    for (const name of names) await writeFile(join(folder, name), `${name}\n`);
    await writeFile(join(folder, 'other.txt'), 'no\n');
    const driver = await openSource({ path: `${folder}/*.log`, maxOpenFiles: 2 });
    const seen: string[][] = [];
    const read = new Map<string, unknown[]>();
    for await (const set of driver.partitions?.(never) ?? []) {
      seen.push(set.map((path) => basename(path)));
      for (const path of set) if (!read.has(path)) read.set(path, payloads(await readBatches(driver, path)));
    }
    expect(seen[0]).toEqual(['a.log', 'b.log']);
    expect(seen.every((set) => set.length <= 2)).toBe(true);
    expect([...read].map(([path, messages]) => [basename(path), messages])).toEqual(
      [...names].sort().map((name) => [name, [`${name}\n`.trim()]]),
    );
  });

  test('names partitions as it is written itself, and a backslash takes a character as it is', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'deep/er'), { recursive: true });
    await writeFile(join(folder, 'deep/er/[1].log'), 'odd\n');
    for (const path of [`${folder}/**/*.log`, `${folder}/deep/er/\\[1\\].log`]) {
      const driver = await openSource({ path });
      const sets: (readonly string[])[] = [];
      for await (const set of driver.partitions?.(never) ?? []) sets.push(set);
      expect(sets).toEqual([[`${folder}/deep/er/[1].log`]]);
      expect(payloads(await readBatches(driver, `${folder}/deep/er/[1].log`))).toEqual(['odd']);
    }
  });

  test('stops waiting for the next set when it is aborted', async () => {
    const folder = await temporaryFolder();
    for (const name of ['a', 'b']) await writeFile(join(folder, name), '');
    const driver = await openSource({ path: `${folder}/*`, maxOpenFiles: 1 });
    const abort = new AbortController();
    const sets = driver.partitions?.(abort.signal)[Symbol.asyncIterator]();
    expect((await sets?.next())?.value).toEqual([join(folder, 'a')]);
    const next = sets?.next();
    abort.abort();
    expect(await next).toEqual({ done: true, value: undefined });
  });
});

describe('what cannot be read is refused with what to do', () => {
  const open = async (path: string): Promise<unknown> =>
    openSource({ path }).then(undefined, (error: unknown) => classifyFileError(error) ?? error);

  test('a file that does not exist', async () => {
    const path = join(await temporaryFolder(), 'missing');
    expect(await open(path)).toMatchObject({
      code: 'not_found',
      message: expect.stringContaining(`"${path}" does not exist`) as string,
    });
  });

  test('a pattern that nothing matches', async () => {
    const path = join(await temporaryFolder(), '*.log');
    expect(await open(path)).toMatchObject({ code: 'not_found', message: expect.stringContaining(path) as string });
  });

  test('a folder', async () => {
    const path = await temporaryFolder();
    expect(await open(path)).toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining(`"${path}" is a folder`) as string,
    });
  });

  test('a device', async () => {
    expect(await open('/dev/null')).toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('/dev/null') as string,
    });
  });

  test('a file without the right to read it', async () => {
    const path = join(await temporaryFolder(), 'secret');
    await writeFile(path, 'x');
    await chmod(path, 0o000);
    // Root may read everything, so the system's answer is made here.
    const denied = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES', path });
    const found = process.getuid?.() === 0 ? classifyFileError(denied) : await open(path);
    expect(found).toMatchObject({ code: 'permission_denied', message: expect.stringContaining(path) as string });
  });

  test('passes the check when it can be read, and discovery tells what there is', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'a.log.gz'), gzipSync('x\n'));
    const config = sourceConfig.parse({ path: `${folder}/*` });
    await expect(checkFileSource(config)).resolves.toBeUndefined();
    expect(await discoverFiles(config)).toMatchObject([
      { name: `${folder}/a.log.gz`, details: { bytes: 22, compression: 'gzip' } },
    ]);
    await expect(checkFileSource(sourceConfig.parse({ path: `${folder}/none` }))).rejects.toMatchObject({
      code: 'not_found',
    });
  });
});
