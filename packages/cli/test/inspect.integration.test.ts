import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { install, makeFolder, sluice } from './sluice-process.js';

const acme = `import { defineConnector, secret, z } from '@sluice/core/driver';
export const acme = defineConnector({ name: 'acme', title: 'Acme queue', contract: 1, source: {
  config: z.strictObject({ queue: z.string().describe('Name of the queue.'), password: secret(z.string()).describe('Of the user.') }),
  capabilities: () => ({ position: 'source', replayable: true, order: 'partition', bounded: false, window: false, changes: false, keyed: false }),
  open: async () => { throw new Error('not here'); },
  check: async ({ password }) => { throw new Error('refused ' + password); },
  discover: async () => [{ name: 'orders', fields: [{ name: 'id', type: 'int', key: true }], details: { messages: 3 } }],
} });
`;

/** A project with a connector of somebody else in its node_modules. */
async function makeProject(files: Record<string, string>): Promise<string> {
  const folder = await makeFolder(files);
  const modules = join(folder, 'node_modules');
  await mkdir(join(modules, 'sluice-connector-acme'), { recursive: true });
  await mkdir(join(modules, 'sluice-connector-broken'), { recursive: true });
  await install(folder, 'core');
  const manifest = (name: string) =>
    JSON.stringify({ name, version: '1.2.3', type: 'module', exports: { '.': { import: './index.js' } } });
  await writeFile(join(modules, 'sluice-connector-acme/package.json'), manifest('sluice-connector-acme'));
  await writeFile(join(modules, 'sluice-connector-acme/index.js'), acme);
  await writeFile(join(modules, 'sluice-connector-broken/package.json'), manifest('sluice-connector-broken'));
  await writeFile(join(modules, 'sluice-connector-broken/index.js'), 'import "nothing-there";');
  return folder;
}

const pipeline =
  'name: x\nsource: { connector: acme, config: { queue: q, password: hunter2-secret } }\nsink: { connector: drop }\n';

describe('sluice list', () => {
  test('shows what comes with the CLI and what the project has installed, also what is broken', async () => {
    const folder = await makeProject({});
    const { stdout, code } = await sluice(folder, ['list', '--json']);
    expect(code).toBe(0);
    const connectors = JSON.parse(stdout) as { name: string; directions: string[]; from: string; problem?: string }[];
    expect(connectors.map(({ name }) => name)).toEqual(['acme', 'broken', 'drop', 'file', 'generate', 'udp']);
    expect(connectors[0]).toMatchObject({ directions: ['source'], from: 'sluice-connector-acme 1.2.3' });
    expect(connectors[1]?.problem).toMatch(/cannot be loaded from .*nothing-there/);
    expect((await sluice(folder, ['list'])).stdout).toMatch(/^file {6}source, sink {2}Files \(@sluice\/file \d/m);
  });
});

describe('sluice describe', () => {
  test('shows the fields of a connector', async () => {
    const { stdout } = await sluice(await makeProject({}), ['describe', 'acme']);
    expect(stdout).toContain('acme: Acme queue (sluice-connector-acme 1.2.3)');
    expect(stdout).toContain('  password  (string, required, secret)\n      Of the user.');
  });

  test('finds a connector by the name of its package, or by a path', async () => {
    const folder = await makeProject({ 'acme.js': acme });
    for (const [name, from] of [
      ['sluice-connector-acme', 'sluice-connector-acme 1.2.3'],
      ['./acme.js', join(folder, 'acme.js')],
    ] as const)
      expect((await sluice(folder, ['describe', name])).stdout).toContain(`: Acme queue (${from})`);
  });

  test('prints a JSON Schema of pipeline files that knows the connectors which are installed', async () => {
    const { stdout } = await sluice(await makeProject({}), ['describe', '--schema']);
    const schema = JSON.parse(stdout) as { properties: object; $defs: { source: { allOf: unknown[] } } };
    expect(Object.keys(schema.properties)).toContain('deadLetter');
    expect(schema.$defs.source.allOf).toContainEqual({
      if: { properties: { connector: { const: 'acme' } }, required: ['connector'] },
      // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
      then: {
        required: ['config'],
        properties: { config: expect.objectContaining({ required: ['queue', 'password'] }) },
      },
    });
  });

  test('refuses a connector that is not there', async () => {
    expect(await sluice(await makeFolder(), ['describe', 'nope'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('run "npm install @sluice/nope"'),
    });
  });
});

describe('sluice validate', () => {
  test('shows the guarantee and who owns the position, and opens nothing', async () => {
    const folder = await makeProject({ 'p.yaml': pipeline });
    expect(await sluice(folder, ['validate', 'p.yaml'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /^valid\nx: at-least-once, .*\n {2}position of source: kept by the outside system it reads from\n$/,
      ),
    });
  });

  test('tells the problems as JSON, with their places', async () => {
    const folder = await makeFolder({
      'p.yaml': 'name: x\nsource: { connector: generate, config: { count: -1 } }\nsink: { connector: drop }\n',
    });
    const { code, stdout } = await sluice(folder, ['validate', 'p.yaml', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toEqual({
      valid: false,
      problems: [
        {
          path: ['source', 'config', 'count'],
          place: { file: 'p.yaml', line: 2, column: 42 },
          message: expect.any(String),
        },
      ],
    });
  });
});

describe('sluice check and discover', () => {
  test('say which part cannot be used and what there is, without secrets', async () => {
    const folder = await makeProject({ 'p.yaml': pipeline });
    const check = await sluice(folder, ['check', 'p.yaml']);
    expect(check.code).toBe(1);
    expect(check.stdout).toMatch(/^source \(acme\): failed: .*refused \*\*\*\nsink \(drop\): ok\n$/);
    expect((await sluice(folder, ['discover', 'p.yaml'])).stdout).toBe(
      'source (acme): 1 found\n  orders (messages 3)\n    id int key\n',
    );
  });

  test('check ends with 0 when all can be used', async () => {
    const folder = await makeFolder({
      'p.yaml':
        'name: x\nsource: { connector: file, config: { path: in.txt } }\nsink: { connector: file, config: { path: out.txt } }\n',
      'in.txt': 'a\n',
    });
    expect(await sluice(folder, ['check', 'p.yaml'])).toMatchObject({
      code: 0,
      stdout: 'source (file): ok\nsink (file): ok\n',
    });
  });
});

describe('help', () => {
  test('lists every command and the exit codes', async () => {
    const { stdout, code } = await sluice(await makeFolder(), ['--help']);
    expect(code).toBe(0);
    for (const name of [
      'run',
      'validate',
      'check',
      'discover',
      'describe',
      'list',
      'positions',
      'dead-letters',
      'teardown',
    ])
      expect(stdout).toContain(`  ${name} `);
    expect(stdout).toContain('2  bad config or usage');
    const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect((await sluice(await makeFolder(), ['--version'])).stdout).toBe(`${manifest.version}\n`);
  });
});
