import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventsOf, makeFolder, type SluiceResult, sluice, startSluice } from './sluice-process.js';

const good = `name: good
source: { connector: generate, config: { count: 10 } }
sink: { connector: drop }
`;

/** One clear line, no stack, the right exit code. */
function expectOneError(result: SluiceResult, code: number, text: RegExp): void {
  const plain = result.stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
  const logged = eventsOf(result.stderr).filter(({ event }) => event === 'failed');
  const errors = [...plain, ...logged.map(({ msg }) => String(msg))];
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatch(text);
  expect(result.stderr).not.toMatch(/\n\s+at /);
  expect(result.code).toBe(code);
}

async function runFile(
  text: string,
  files: Record<string, string> = {},
  args: readonly string[] = [],
): Promise<SluiceResult> {
  const folder = await makeFolder({ 'p.yaml': text, ...files });
  return await sluice(folder, ['run', 'p.yaml', ...args]);
}

describe('a wrong pipeline file ends with exit code 2 before anything is opened', () => {
  test('a file that is not there', async () => {
    expectOneError(
      await sluice(await makeFolder(), ['run', 'p.yaml']),
      2,
      /^p\.yaml: the pipeline file cannot be read: there is no such file/,
    );
  });

  test('no file at all', async () => {
    expectOneError(await sluice(await makeFolder(), ['run']), 2, /^no pipeline file was given/);
  });

  test('malformed YAML', async () => {
    expectOneError(await runFile('name: [x\nsource: 1'), 2, /^p\.yaml:\d+:\d+: /);
  });

  test('malformed TOML and JSON', async () => {
    const folder = await makeFolder({ 'p.toml': 'name = = 1', 'p.json': '{"name": }}' });
    expectOneError(await sluice(folder, ['run', 'p.toml']), 2, /^p\.toml:1:8: /);
    expectOneError(await sluice(folder, ['run', 'p.json']), 2, /^p\.json:1:\d+: /);
  });

  test('an unknown connector, with the packages that were tried and what to install', async () => {
    expectOneError(
      await runFile(good.replace('drop', 'drpo')),
      2,
      /^p\.yaml:3:9: sink\.connector: there is no connector "drpo": none of the packages @sluice\/drpo, sluice-connector-drpo, drpo is installed; run "npm install @sluice\/drpo"/,
    );
  });

  test('a connector file that is missing, cannot be loaded, or exports no connector', async () => {
    const file = good.replace('drop', './acme.js');
    expectOneError(
      await runFile(file),
      2,
      /^p\.yaml:3:9: sink\.connector: connector "\.\/acme\.js" is not there: no file /,
    );
    expectOneError(
      await runFile(file, { 'acme.js': 'import "not-installed";' }),
      2,
      /cannot be loaded from .*not-installed/,
    );
    expectOneError(
      await runFile(file, { 'acme.js': 'export const a = 1;' }),
      2,
      /exports no connector; export what defineConnector\(\) returns/,
    );
  });

  test('a connector that cannot write', async () => {
    expectOneError(
      await runFile(good.replace('drop', 'generate')),
      2,
      /^p\.yaml:3:1: sink: .*generate has no sink|generate has no sink/,
    );
  });

  test('a transform that is missing, broken, or exports nothing', async () => {
    const file = `${good}transforms:\n  - ./t.ts\n`;
    expectOneError(
      await runFile(file),
      2,
      /^p\.yaml:5:5: transforms\.0: transform \.\/t\.ts is not there: no file .*t\.ts/,
    );
    expectOneError(
      await runFile(file, { 't.ts': 'export const transform = (' }),
      2,
      /transform \.\/t\.ts cannot be loaded: /,
    );
    expectOneError(
      await runFile(file, { 't.ts': 'export const other = 1;' }),
      2,
      /must export "transform".*it exports no "transform"/,
    );
  });

  test('all problems are told at once, each with its line', async () => {
    const { code, stderr } = await runFile(`name: x
sorce: 1
source: { connector: generate, config: { cuont: 1, size: big } }
sink: { connector: drop }
transforms: [./gone.ts]
`);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^p\.yaml:2:1: .*sorce.*source/m);
    expect(stderr).toMatch(/^p\.yaml:3:42: source\.config\.cuont: .*count/m);
    expect(stderr).toMatch(/^p\.yaml:3:52: source\.config\.size: /m);
    expect(stderr).toMatch(/^p\.yaml:5:14: transforms\.0: /m);
  });

  test('parts that do not go together', async () => {
    expectOneError(await runFile(good.replace('sink:', 'sinks: {}\nsink:')), 2, /p\.yaml.*"sink" or "sinks"/);
    expectOneError(await runFile(good.replace('good', '"a b"')), 2, /p\.yaml.*a b/);
  });

  test('an option that no field has', async () => {
    expectOneError(
      await runFile(good, {}, ['--source-coutn', '1']),
      2,
      /^unknown option --source-coutn; did you mean --source-count\?/,
    );
    expectOneError(await runFile(good, {}, ['--htpp', ':1']), 2, /did you mean --http\?/);
  });

  test('a command that does not exist, and an address that is none', async () => {
    expect((await sluice(await makeFolder(), ['rum'])).code).toBe(2);
    expectOneError(await runFile(good, {}, ['--http', 'nowhere']), 2, /^--http nowhere is not an address/);
  });

  test('a pipeline in code that throws, exports nothing, or is to be changed from outside', async () => {
    const folder = await makeFolder({
      'throws.ts': 'throw new Error("no DATABASE_URL")',
      'empty.ts': 'export const a = 1',
    });
    expectOneError(
      await sluice(folder, ['run', 'throws.ts']),
      2,
      /^throws\.ts: the pipeline cannot be loaded: no DATABASE_URL$/,
    );
    expectOneError(await sluice(folder, ['run', 'empty.ts']), 2, /^empty\.ts: must export its definition/);
    expectOneError(
      await sluice(folder, ['run', 'empty.ts', '--name', 'x']),
      2,
      /option --name cannot change a pipeline in code/,
    );
  });
});

describe('what fails outside ends with exit code 1 and one error', () => {
  test('a missing input file', async () => {
    expectOneError(
      await runFile(good.replace('generate, config: { count: 10 }', 'file, config: { path: gone.txt }')),
      1,
      /gone\.txt.* does not exist/,
    );
  });

  test('an input that is a folder', async () => {
    const result = await runFile(good.replace('generate, config: { count: 10 }', 'file, config: { path: . }'));
    expect(result.code).toBeGreaterThan(0);
    expectOneError(result, result.code ?? 0, /folder/);
  });

  test('an output that may not be written', async () => {
    const folder = await makeFolder({ 'p.yaml': good.replace('drop', 'file, config: { path: /proc/out.txt }') });
    const result = await sluice(folder, ['run', 'p.yaml']);
    expectOneError(result, result.code ?? 0, /\/proc\//);
    expect(result.code).toBeGreaterThan(0);
  });

  test('a full disk holds messages back, and nothing is lost', async () => {
    const folder = await makeFolder({
      'p.yaml': `${good.replace('drop', 'file, config: { path: /dev/full, atomic: false }')}retry: { maxAttempts: 3, initialDelayMs: 1 }\n`,
    });
    const child = startSluice(folder, ['run', 'p.yaml']);
    await child.said(/"event":"degraded"[^\n]*full/);
    child.kill('SIGTERM');
    const { code, stderr } = await child.ended;
    expect(code).toBe(1);
    expect(stderr).not.toMatch(/\n\s+at /);
    const positions = await sluice(folder, ['positions', 'get', 'p.yaml', '--json']);
    expect(JSON.parse(positions.stdout)).toMatchObject({ positions: {} });
  });

  test('a reader of standard output that goes away', async () => {
    const folder = await makeFolder({
      'p.yaml': `name: pipe\nsource: { connector: generate, config: { rate: 1000 } }\nsink: { connector: file, config: { path: "-" } }\n`,
    });
    const child = startSluice(folder, ['run', 'p.yaml']);
    await child.said(/"event":"started"/);
    child.closeStdout();
    const result = await child.ended;
    expectOneError(result, 1, /standard output/);
  });

  test('a UDP port that is in use', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    const result = await runFile(
      good.replace('generate, config: { count: 10 }', `udp, config: { port: ${port}, host: 127.0.0.1 }`),
      {},
      ['--open-timeout-ms', '300'],
    );
    socket.close();
    expectOneError(result, 1, new RegExp(String(port)));
  });

  test('an HTTP port that is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const result = await runFile(good, {}, ['--http', `:${port}`]);
    server.close();
    expectOneError(result, 1, /the port is in use/);
  });

  test('a message that is not valid in its codec, without dead letters', async () => {
    const folder = await makeFolder({
      'p.yaml': `name: codec\nsource: { connector: file, config: { path: in.ndjson }, codec: json }\nsink: { connector: file, config: { path: out.ndjson } }\n`,
      'in.ndjson': '{"a":1}\n{oops\n{"a":2}\n',
    });
    expectOneError(await sluice(folder, ['run', 'p.yaml']), 1, /json/i);
    await writeFile(join(folder, 'in.ndjson'), '{"a":1}\n{"b":1\n{"a":2}\n'.replace('{"b":1', '{"b":'));
    expect((await sluice(folder, ['run', 'p.yaml'])).code).toBe(1);
  });

  test('a codec that is wrong for the whole source stops at the threshold instead of draining it', async () => {
    const folder = await makeFolder({
      'p.yaml': `name: codec
source: { connector: file, config: { path: in.txt }, codec: json }
sink: { connector: file, config: { path: out.ndjson } }
deadLetter: { connector: file, config: { path: dead.ndjson }, maxRatio: 0.1, window: 100 }
`,
      'in.txt': 'no json\n'.repeat(50_000),
    });
    expectOneError(
      await sluice(folder, ['run', 'p.yaml']),
      1,
      /more than 10 % of the latest 100 messages are invalid, most often because: .*json/i,
    );
    expect((await readFile(join(folder, 'dead.ndjson'), 'utf8')).split('\n').length).toBeLessThan(40_000);
  });

  test('a second instance on the same checkpoint', async () => {
    const folder = await makeFolder({
      'p.yaml': `name: twice\nsource: { connector: generate, config: { rate: 100 } }\nsink: { connector: drop }\n`,
    });
    const first = startSluice(folder, ['run', 'p.yaml']);
    await first.said(/"event":"started"/);
    expectOneError(await sluice(folder, ['run', 'p.yaml']), 1, /pipeline "twice" runs already/);
    expectOneError(await sluice(folder, ['positions', 'reset', 'p.yaml']), 1, /pipeline "twice" runs already/);
    first.kill('SIGTERM');
    expect((await first.ended).code).toBe(0);
  });

  test('a damaged checkpoint, by its name and with what to do', async () => {
    const folder = await makeFolder({ 'p.yaml': good });
    expect((await sluice(folder, ['run', 'p.yaml'])).code).toBe(0);
    const path = join(folder, '.sluice/checkpoints/good.json');
    await chmod(path, 0o644);
    await writeFile(path, (await readFile(path, 'utf8')).replace('10', '11'));
    expectOneError(await sluice(folder, ['run', 'p.yaml']), 1, /good\.json/);
  });
});
