import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { install, makeFolder, sluice } from './sluice-process.js';

const appending = `name: lines
source: { connector: file, config: { path: in.txt } }
sink: { connector: file, config: { path: out.txt, atomic: false } }
`;

describe('sluice dead-letters', () => {
  const pipelines = {
    'p.yaml': `name: repair
source: { connector: file, config: { path: in.ndjson }, codec: json }
transforms: [./t.js]
sink: { connector: file, config: { path: out.ndjson } }
deadLetter: { connector: file, config: { path: dead.ndjson }, maxRatio: 1 }
`,
    't.js':
      'export const transform = (message) => { if (message.payload.bad) throw new Error("bad one"); return message; };',
    'in.ndjson': '{"a":1}\n{"a":2,"bad":true}\n{oops\n{"a":3,"bad":true}\n',
  };

  test('lists, shows and replays them, each once, with the transforms of now', async () => {
    const folder = await makeFolder(pipelines);
    const out = async () => await readFile(join(folder, 'out.ndjson'), 'utf8');
    const list = async () =>
      JSON.parse((await sluice(folder, ['dead-letters', 'list', 'p.yaml', '--json'])).stdout) as {
        id: string;
        replayed: boolean;
        reason: string;
      }[];
    expect((await sluice(folder, ['dead-letters', 'list', 'p.yaml'])).stdout).toBe('there are no dead letters\n');
    expect((await sluice(folder, ['run', 'p.yaml'])).code).toBe(0);
    expect(await out()).toBe('{"a":1}\n');

    const letters = await list();
    expect(letters.map(({ replayed }) => replayed)).toEqual([false, false, false]);
    expect(letters[0]?.reason).toContain('bad one');
    const shown = await sluice(folder, ['dead-letters', 'show', 'p.yaml', '--id', letters[0]?.id ?? '']);
    expect(JSON.parse(shown.stdout)).toMatchObject({ message: { payload: { text: '{"a":2,"bad":true}' } } });
    expect(await sluice(folder, ['dead-letters', 'show', 'p.yaml', '--id', 'none'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^there is no dead letter with --id none/),
    });

    await writeFile(join(folder, 't.js'), 'export const transform = (message) => message;');
    const replayed = await sluice(folder, ['dead-letters', 'replay', 'p.yaml']);
    expect({ code: replayed.code, stdout: replayed.stdout }, replayed.stderr).toEqual({
      code: 0,
      stdout: '3 of 3 dead letters replayed, of which 1 became dead letters again\n',
    });
    expect(await out()).toBe('{"a":1}\n{"a":2,"bad":true}\n{"a":3,"bad":true}\n');
    expect((await list()).map(({ replayed: done }) => done)).toEqual([true, true, true, false]);

    // What failed again is tried again; what went through is not.
    expect((await sluice(folder, ['dead-letters', 'replay', 'p.yaml'])).stdout).toMatch(
      /^1 of 1 dead letters replayed/,
    );
    expect(await out()).toBe('{"a":1}\n{"a":2,"bad":true}\n{"a":3,"bad":true}\n');

    // The pipeline itself goes on where it was.
    await writeFile(join(folder, 'in.ndjson'), `${pipelines['in.ndjson']}{"a":4}\n`);
    expect((await sluice(folder, ['run', 'p.yaml'])).code).toBe(0);
    expect(await out()).toBe('{"a":1}\n{"a":2,"bad":true}\n{"a":3,"bad":true}\n{"a":4}\n');
  });

  test('replays to the one sink that refused a message, where there are several', async () => {
    const folder = await makeFolder({
      ...pipelines,
      'p.yaml': `name: fan
source: { connector: file, config: { path: in.ndjson }, codec: json }
sinks:
  all: { connector: file, config: { path: all.ndjson } }
  strict: { connector: file, config: { path: strict.ndjson }, transforms: [./t.js] }
deadLetter: { connector: file, config: { path: dead.ndjson }, maxRatio: 1 }
`,
      'in.ndjson': '{"a":1}\n{"a":2,"bad":true}\n',
    });
    expect((await sluice(folder, ['run', 'p.yaml'])).code).toBe(0);
    await writeFile(join(folder, 't.js'), 'export const transform = (message) => message;');
    expect((await sluice(folder, ['dead-letters', 'replay', 'p.yaml'])).stdout).toBe('1 of 1 dead letters replayed\n');
    expect(await readFile(join(folder, 'all.ndjson'), 'utf8')).toBe('{"a":1}\n{"a":2,"bad":true}\n');
    expect(await readFile(join(folder, 'strict.ndjson'), 'utf8')).toBe('{"a":1}\n{"a":2,"bad":true}\n');
  });

  test('replays to every sink that refused a message, where several did', async () => {
    const folder = await makeFolder({
      ...pipelines,
      'p.yaml': `name: fan
source: { connector: file, config: { path: in.ndjson }, codec: json }
sinks:
  one: { connector: file, config: { path: one.ndjson }, transforms: [./t.js] }
  two: { connector: file, config: { path: two.ndjson }, transforms: [./t.js] }
  all: { connector: file, config: { path: all.ndjson } }
deadLetter: { connector: file, config: { path: dead.ndjson }, maxRatio: 1 }
`,
      'in.ndjson': '{"a":1}\n{"a":2,"bad":true}\n',
    });
    expect((await sluice(folder, ['run', 'p.yaml'])).code).toBe(0);
    await writeFile(join(folder, 't.js'), 'export const transform = (message) => message;');
    expect((await sluice(folder, ['dead-letters', 'replay', 'p.yaml'])).stdout).toBe('2 of 2 dead letters replayed\n');
    for (const name of ['one', 'two', 'all'])
      expect(await readFile(join(folder, `${name}.ndjson`), 'utf8')).toBe('{"a":1}\n{"a":2,"bad":true}\n');
  });

  test('replays what came to one file of dead letters after another one was replayed', async () => {
    const breaking = (where: string) =>
      `export const transform = (message) => { if (message.payload.bad === '${where}') throw new Error('bad'); return message; };`;
    const broken = { 'top.js': breaking('top'), 'branch.js': breaking('branch') };
    const folder = await makeFolder({
      ...broken,
      'p.yaml': `name: two
source: { connector: file, config: { path: in.ndjson }, codec: json }
transforms: [./top.js]
deadLetter: { connector: file, config: { path: dead.ndjson }, maxRatio: 1 }
sinks:
  one:
    connector: file
    config: { path: out.ndjson }
    transforms: [./branch.js]
    deadLetter: { connector: file, config: { path: own.ndjson }, maxRatio: 1 }
`,
    });
    const runAndReplay = async (lines: string) => {
      await appendFile(join(folder, 'in.ndjson'), lines);
      for (const [name, code] of Object.entries(broken)) await writeFile(join(folder, name), code);
      expect((await sluice(folder, ['run', 'p.yaml'])).code).toBe(0);
      for (const name of Object.keys(broken)) await writeFile(join(folder, name), breaking('nothing'));
      return (await sluice(folder, ['dead-letters', 'replay', 'p.yaml'])).stdout;
    };
    expect(await runAndReplay('{"a":1,"bad":"top"}\n{"a":2,"bad":"branch"}\n')).toBe('2 of 2 dead letters replayed\n');
    expect(await runAndReplay('{"a":3,"bad":"top"}\n')).toBe('1 of 1 dead letters replayed\n');
    const lines = (await readFile(join(folder, 'out.ndjson'), 'utf8')).split('\n').slice(0, -1);
    expect(lines.sort()).toEqual(['{"a":1,"bad":"top"}', '{"a":2,"bad":"branch"}', '{"a":3,"bad":"top"}']);
  });

  test('says where they cannot be read back', async () => {
    const folder = await makeFolder({ 'p.yaml': appending, 'q.yaml': `${appending}deadLetter: { connector: drop }\n` });
    expect(await sluice(folder, ['dead-letters', 'list', 'p.yaml'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^pipeline "lines" stores no dead letters; give it a "deadLetter"/),
    });
    expect(await sluice(folder, ['dead-letters', 'list', 'q.yaml'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^dead letters in the drop sink cannot be read back/),
    });
  });
});

describe('sluice teardown', () => {
  test('lists what the pipeline made, and removes it only with --yes', async () => {
    const folder = await makeFolder({
      'p.yaml': 'name: slots\nsource: { connector: generate, config: { count: 1 } }\nsink: { connector: ./acme.js }\n',
      'acme.js': `import { existsSync, rmSync } from 'node:fs';
import { defineConnector, z } from '@sluice/core/driver';
export const acme = defineConnector({ name: 'acme', title: 'Acme', contract: 1, sink: {
  config: z.strictObject({}),
  capabilities: () => ({ atomic: false, idempotent: false, overlap: 'none', payload: 'bytes', changes: true, preferred: { maxMessages: 10, maxBytes: 1000, maxInFlight: 1 } }),
  open: async () => ({ write: async () => undefined, close: async () => undefined }),
  teardown: async (config, options, { pipeline, remove }) => {
    if (!existsSync('slot')) return [];
    if (remove) rmSync('slot');
    return ['slot of ' + pipeline];
  },
} });
`,
      slot: '',
    });
    await install(folder, 'core');
    expect((await sluice(folder, ['run', 'p.yaml'])).code).toBe(0);
    const made = 'sink: slot of slots\ncheckpoints: 1 position of pipeline "slots" in file .sluice/checkpoints\n';
    expect((await sluice(folder, ['teardown', 'p.yaml'])).stdout).toBe(
      `${made}nothing was removed; --yes removes all of this\n`,
    );
    expect((await sluice(folder, ['teardown', 'p.yaml', '--yes'])).stdout).toBe(`${made}removed\n`);
    expect((await sluice(folder, ['teardown', 'p.yaml', '--json'])).stdout).toBe(
      '{"name":"slots","removed":false,"made":[]}\n',
    );
  });

  test('forgets positions that the sink keeps beside its data, and leaves the data', async () => {
    const folder = await makeFolder({ 'p.yaml': appending.replace(', atomic: false', ''), 'in.txt': 'a\n' });
    expect((await sluice(folder, ['run', 'p.yaml'])).code).toBe(0);
    const made = 'checkpoints: 1 position of pipeline "lines" in the file sink\n';
    const asked = await sluice(folder, ['teardown', 'p.yaml']);
    expect(asked.stdout).toBe(`${made}nothing was removed; --yes removes all of this\n`);
    expect((await sluice(folder, ['teardown', 'p.yaml', '--yes'])).stdout).toBe(`${made}removed\n`);
    const again = await sluice(folder, ['teardown', 'p.yaml', '--json']);
    expect(again.stdout).toBe('{"name":"lines","removed":false,"made":[]}\n');
    expect(await readFile(join(folder, 'out.txt'), 'utf8')).toBe('a\n');
  });
});
