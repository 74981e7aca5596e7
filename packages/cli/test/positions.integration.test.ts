import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { expectOneError } from './bad-input.js';
import { makeFolder, sluice } from './sluice-process.js';

const file = fileURLToPath(new URL('../../file', import.meta.url));

const appending = `name: lines
source: { connector: file, config: { path: in.txt } }
sink: { connector: file, config: { path: out.txt, atomic: false } }
`;

describe('sluice positions', () => {
  test('shows, sets and forgets where the next run goes on', async () => {
    const folder = await makeFolder({ 'p.yaml': appending, 'in.txt': 'a\nb\nc\n' });
    const positions = async (...args: string[]) => await sluice(folder, ['positions', ...args]);
    expect((await positions('get', 'p.yaml')).stdout).toBe('no position is stored in file .sluice/checkpoints\n');
    expect((await sluice(folder, ['run', 'p.yaml'])).code).toBe(0);
    const shown = JSON.parse((await positions('get', 'p.yaml', '--json')).stdout) as {
      positions: Record<string, { position: Record<string, unknown> }>;
    };
    const [[partition, { position }] = ['', { position: {} }]] = Object.entries(shown.positions);
    expect(partition).toBe('source:in.txt');

    const set = await positions(
      'set',
      'p.yaml',
      '--partition',
      partition,
      '--position',
      JSON.stringify({ ...position, framing: { bytes: 2 } }),
    );
    expect({ code: set.code, stderr: set.stderr }).toEqual({ code: 0, stderr: '' });
    expect((await sluice(folder, ['run', 'p.yaml'])).code).toBe(0);
    expect(await readFile(join(folder, 'out.txt'), 'utf8')).toBe('a\nb\nc\nb\nc\n');

    // Nothing would ever read a position of a partition that the source does not have.
    expectOneError(
      await positions('set', 'p.yaml', '--position', '1'),
      2,
      /^the source of this pipeline has partitions: name one with --partition, as in source:in\.txt$/,
    );

    expect((await positions('reset', 'p.yaml', '--partition', 'source:other')).code).toBe(2);
    expect((await positions('reset', 'p.yaml')).stdout).toBe('forgot source:in.txt\n');
    expect((await sluice(folder, ['run', 'p.yaml'])).code).toBe(0);
    expect(await readFile(join(folder, 'out.txt'), 'utf8')).toBe('a\nb\nc\nb\nc\na\nb\nc\n');
  });

  test('sets a position before the first run', async () => {
    const folder = await makeFolder({
      'p.yaml':
        'name: g\nsource: { connector: generate, config: { count: 5, template: "{index}" } }\nsink: { connector: file, config: { path: out.txt, atomic: false } }\n',
    });
    expect((await sluice(folder, ['positions', 'set', 'p.yaml', '--position', '3'])).code).toBe(0);
    expect((await sluice(folder, ['run', 'p.yaml'])).code).toBe(0);
    expect(await readFile(join(folder, 'out.txt'), 'utf8')).toBe('3\n4\n');
  });

  test('changes the one that is named, and leaves the others as they are once nobody moves them any more', async () => {
    const store = `{
      description: 'a store', durable: true, close: async () => {},
      load: async () => at(1),
      claim: async () => ({ checkpoint: at(2), save: async (saved) => console.error(JSON.stringify(saved)), release: async () => {} }),
    }`;
    const folder = await makeFolder({
      'p.mjs': `
        const stored = (position) => ({ connector: 'file', version: 1, identity: 'i', position });
        const at = (position) => ({ 'source:a': stored(position), 'source:b': stored(position) });
        import { file } from '@sluice/file';
        export const pipeline = {
          name: 'p', checkpoints: ${store},
          source: file.source({ path: 'in.txt' }), sink: file.sink({ path: 'out.txt', atomic: false }),
        };`,
    });
    await mkdir(join(folder, 'node_modules/@sluice'), { recursive: true });
    await symlink(file, join(folder, 'node_modules/@sluice/file'));
    const saved = async (...args: string[]) => {
      const { stderr } = await sluice(folder, ['positions', ...args, '--partition', 'source:a']);
      return JSON.parse(stderr) as unknown;
    };
    expect(await saved('set', 'p.mjs', '--position', '7')).toMatchObject({
      'source:a': { identity: 'i', position: 7 },
      'source:b': { position: 2 },
    });
    expect(await saved('reset', 'p.mjs')).toEqual({ 'source:b': expect.objectContaining({ position: 2 }) });
  });

  test('are what a run names whose position is lost, and reset helps it', async () => {
    const folder = await makeFolder({ 'p.yaml': appending, 'in.txt': 'a\nb\nc\n' });
    expect((await sluice(folder, ['run', 'p.yaml'])).code).toBe(0);
    await writeFile(join(folder, 'in.txt'), 'x\n');
    expectOneError(
      await sluice(folder, ['run', 'p.yaml']),
      1,
      /"in\.txt" was read up to byte 6 and .* "sluice positions reset" forgets the stored position\.$/,
    );
    expect((await sluice(folder, ['positions', 'reset', 'p.yaml'])).code).toBe(0);
    expect((await sluice(folder, ['run', 'p.yaml'])).code).toBe(0);
    expect(await readFile(join(folder, 'out.txt'), 'utf8')).toBe('a\nb\nc\nx\n');
  });

  test('refuses what is no position, no source, or kept elsewhere', async () => {
    const folder = await makeFolder({
      'p.yaml': appending,
      'udp.yaml': 'name: u\nsource: { connector: udp, config: { port: 1 } }\nsink: { connector: drop }\n',
    });
    expect(await sluice(folder, ['positions', 'set', 'p.yaml', '--position', '{'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--position is not JSON'),
    });
    expect(await sluice(folder, ['positions', 'set', 'p.yaml', '--partition', 'x:1', '--position', '1'])).toMatchObject(
      { code: 2 },
    );
    expect(await sluice(folder, ['positions', 'get', 'udp.yaml'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^pipeline "u" has no positions to work on: nobody keeps any/),
    });
  });
});
