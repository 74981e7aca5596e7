import { mkdir, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { expectOneError, good, runFile } from './bad-input.js';
import { makeFolder, sluice } from './sluice-process.js';

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
    const folder = await makeFolder({ 'p.toml': 'name = = 1', 'p.json': '{\n  "name": "x",\n}' });
    expectOneError(await sluice(folder, ['run', 'p.toml']), 2, /^p\.toml:1:8: /);
    expectOneError(await sluice(folder, ['run', 'p.json']), 2, /^p\.json:3:1: this is not JSON: /);
  });

  test('something else than a map of fields, and a secret file that is not there', async () => {
    expectOneError(await runFile('- name: x\n'), 2, /^p\.yaml:1:1: expected object, got array$/);
    const secret = good.replace('name: ', 'name: ${file:absent}');
    expectOneError(
      await runFile(secret),
      2,
      /^p\.yaml:1:1: name: \$\{file:absent\} cannot be read: there is no such file; check the path$/,
    );
  });

  test('an unknown connector, with the packages that were tried, what to install, and what may have been meant', async () => {
    expectOneError(
      await runFile(good.replace('drop', 'drpo')),
      2,
      /^p\.yaml:3:9: sink\.connector: there is no connector "drpo": none of the packages @sluice\/drpo, sluice-connector-drpo, drpo is installed; run "npm install @sluice\/drpo".*; did you mean "drop"\?$/,
    );
    expectOneError(await runFile(good.replace('drop', 'acme')), 2, /or check the name with "sluice list"$/);
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

  test('a folder where a connector or a transform is named', async () => {
    const folder = await makeFolder({
      'p.yaml': `${good.replace('drop', './acme')}transforms:\n  - ./acme\n`,
    });
    await mkdir(join(folder, 'acme'));
    const { code, stderr } = await sluice(folder, ['validate', 'p.yaml']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^p\.yaml:3:9: sink\.connector: connector "\.\/acme" is the folder .*; name the file in it/);
    expect(stderr).toMatch(/^p\.yaml:5:5: transforms\.0: transform \.\/acme is the folder .*; name the file in it/m);
  });

  test('a connector that cannot write', async () => {
    expectOneError(
      await runFile(good.replace('drop', 'generate')),
      2,
      /^p\.yaml:3:9: sink\.connector: generate has no sink/,
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
      /transform \.\/t\.ts cannot be loaded: .*\/t\.ts:1: /,
    );
    expectOneError(
      await runFile(file, { 't.ts': 'export const other = 1;' }),
      2,
      /must export "transform".*it exports no "transform"/,
    );
  });

  test('a module that Node takes for CommonJS, with the package.json that says so', async () => {
    const commonJs = { 'package.json': '{ "type": "commonjs" }' };
    const told = (file: string, line: number): RegExp =>
      new RegExp(
        `/${file}:${line} is written as an ES module, .* set "type": "module" in .*/package\\.json, or let .* \\.mts`,
      );
    expectOneError(
      await runFile(`${good}transforms: [./t.ts]\n`, {
        ...commonJs,
        't.ts': '// a comment\nexport const transform = (message: unknown) => message;\n',
      }),
      2,
      told('t.ts', 2),
    );
    expectOneError(
      await runFile(good.replace('drop', './acme.js'), { ...commonJs, 'acme.js': 'import "node:fs";\n' }),
      2,
      told('acme.js', 1),
    );
    const folder = await makeFolder({ ...commonJs, 'p.ts': 'export const pipeline = {};\n' });
    expectOneError(await sluice(folder, ['run', 'p.ts']), 2, told('p.ts', 1));
  });

  test('a module in a folder whose package.json does not say which kind it holds is loaded without a word of Node', async () => {
    const transform = 'export const transform = (message: unknown) => message;\n';
    const { code, stderr } = await runFile(`${good}transforms: [./t.ts]\n`, {
      'package.json': '{}',
      't.ts': transform,
    });
    expect(code).toBe(0);
    expect(stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'))).toEqual([]);
  });

  test('all problems are told at once, each with its line, from the first line to the last', async () => {
    const { code, stderr } = await runFile(
      `transforms: [./gone.ts]
name: a b
sorce: 1
source: { connector: generate, config: { cuont: 1, size: big, rate: "\${NOT_SET}" } }
sources: {}
sink: { connector: drop }
`,
      {},
      ['--source-coutn', '1'],
    );
    expect(code).toBe(2);
    expect(stderr.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^unknown option --source-coutn; /),
      expect.stringMatching(/^p\.yaml:1:14: transforms\.0: /),
      expect.stringMatching(/^p\.yaml:2:1: name: must be letters, .*, got "a b"; /),
      expect.stringMatching(/^p\.yaml:3:1: sorce: .*source/),
      expect.stringMatching(/^p\.yaml:4:42: source\.config\.cuont: .*count/),
      expect.stringMatching(/^p\.yaml:4:52: source\.config\.size: /),
      expect.stringMatching(/^p\.yaml:4:63: source\.config\.rate: variable NOT_SET is not set; /),
      expect.stringMatching(/^p\.yaml:5:1: sources: needs a "source" or "sources", and not both$/),
    ]);
  });

  test('a sink that writes to what the source reads, and two sinks on one file, by validate and by run', async () => {
    const folder = await makeFolder({
      'loop.yaml': `name: loop
source: { connector: file, config: { path: "*.ndjson" } }
sink: { connector: file, config: { path: ./out.ndjson } }
`,
      'clash.yaml': `name: clash
source: { connector: generate, config: { count: 1 } }
sink: { connector: file, config: { path: out.txt } }
deadLetter: { connector: file, config: { path: "../\${HERE}/out.txt" } }
`,
      'in.ndjson': 'line\n',
    });
    for (const command of ['validate', 'run']) {
      expectOneError(
        await sluice(folder, [command, 'loop.yaml']),
        2,
        /^loop\.yaml:3:1: sink: writes to ".*out\.ndjson", which source reads: the pipeline would read its own output\. Write to another place, or read less$/,
      );
      expectOneError(
        await sluice(folder, [command, 'clash.yaml'], { HERE: basename(folder) }),
        2,
        /^clash\.yaml:4:1: deadLetter: writes to ".*out\.txt", which sink writes to as well: .* Give each a place of its own$/,
      );
    }
    expect(await readdir(folder)).not.toContain('out.ndjson');
  });

  test('parts that do not go together', async () => {
    expectOneError(await runFile(good.replace('sink:', 'sinks: {}\nsink:')), 2, /p\.yaml.*"sink" or "sinks"/);
    expectOneError(await runFile(good.replace('good', '"a b"')), 2, /p\.yaml.*a b/);
    expectOneError(
      await runFile(`${good}onInvalid: drop\ndeadLetter: { connector: drop }\n`),
      2,
      /^p\.yaml:\d+:1: onInvalid: "drop" forgets invalid messages, and deadLetter would store them\. Leave out the one or the other$/,
    );
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
    expectOneError(
      await sluice(folder, ['run', 'empty.ts', '--env-file', 'empty.ts']),
      2,
      /option --env-file cannot change a pipeline in code/,
    );
  });

  test('a pipeline in code whose transform is a plain function, before any message is lost', async () => {
    const source = `{ direction: 'source', connector: {}, options: {}, capabilities: {} }`;
    const code = `export const pipeline = { name: 'p', source: ${source}, sink: ${source}, transforms: [(m) => m] }`;
    const folder = await makeFolder({ 'p.ts': code });
    expectOneError(
      await sluice(folder, ['run', 'p.ts']),
      2,
      /^p\.ts: .*transforms\[0\] is a function; make it a step with map\(\)/,
    );
  });

  test('a pipeline in code whose parts were not made by a connector', async () => {
    const folder = await makeFolder({ 'p.ts': "export const pipeline = { name: 'p', source: {}, sinks: { a: 1 } }" });
    for (const command of ['run', 'discover'])
      expectOneError(
        await sluice(folder, [command, 'p.ts']),
        2,
        /^p\.ts: pipeline "p" source is not a source; make it with a connector/,
      );
  });
});
