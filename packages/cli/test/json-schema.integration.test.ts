import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { parse as parseToml } from 'smol-toml';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments, parse as parseYaml } from 'yaml';
import { sluice } from './sluice-process.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Files that people paste, and the blocks of YAML that they read. */
async function pipelines(): Promise<readonly { readonly name: string; readonly value: unknown }[]> {
  const found: { name: string; value: unknown }[] = [];
  for await (const name of glob('examples/*.{yaml,toml}', { cwd: root })) {
    const text = await readFile(join(root, name), 'utf8');
    found.push({ name, value: name.endsWith('.toml') ? parseToml(text) : parseYaml(text) });
  }
  for await (const name of glob('{.,examples,packages/*}/README.md', { cwd: root })) {
    const blocks = (await readFile(join(root, name), 'utf8')).matchAll(/^```yaml\n(.*?)^```/gms);
    const documents = [...blocks].flatMap(([, text = '']) => parseAllDocuments(text));
    // Some show a source or a sink only.
    for (const document of documents) found.push({ name, value: { name: 'shown', ...document.toJS() } });
  }
  return found;
}

let compiled: Promise<ValidateFunction> | undefined;

/** What "sluice describe --schema" prints, where every connector is installed. */
function validator(): Promise<ValidateFunction> {
  compiled ??= (async () => {
    const { code, stdout, stderr } = await sluice(join(root, 'examples'), ['describe', '--schema']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    // It refuses a schema that is none, and keywords and formats that it does not know; `secret` is a remark of ours.
    const ajv = new Ajv2020({ keywords: ['secret'], strictTypes: false, allErrors: true });
    formats.default(ajv);
    return ajv.compile(JSON.parse(stdout) as object);
  })();
  return compiled;
}

describe('the JSON Schema of pipeline files', () => {
  test('accepts every example, and what the READMEs show', async () => {
    const validate = await validator();
    const all = await pipelines();
    expect(all.length).toBeGreaterThan(20);
    for (const { name, value } of all)
      expect({ name, value, valid: validate(value), errors: validate.errors }).toMatchObject({ valid: true });
  });

  const source = { connector: 'udp', config: { port: 7200 } };
  const sink = { connector: 'file', config: { path: 'out.txt' } };

  test.each([
    ['nothing wrong', { name: 'p', source, sink }],
    ['a variable in place of a number', { name: 'p', source: { connector: 'udp', config: { port: '${PORT}' } }, sink }],
    [
      'a connector that may be installed later',
      { name: 'p', source: { connector: './acme.js', config: { a: 1 } }, sink },
    ],
  ])('accepts %s', async (_what, value) => {
    const validate = await validator();
    expect({ valid: validate(value), errors: validate.errors }).toEqual({ valid: true, errors: null });
  });

  test.each([
    ['no name', { source, sink }, ''],
    ['a name that no file can have', { name: 'a b', source, sink }, '/name'],
    ['an unknown key', { name: 'p', source, sink, sinc: sink }, ''],
    ['an unknown key of a source', { name: 'p', source: { ...source, codek: 'json' }, sink }, '/source'],
    ['a source without a connector', { name: 'p', source: { config: {} }, sink }, '/source'],
    ['an unknown codec', { name: 'p', source: { ...source, codec: 'jason' }, sink }, '/source/codec'],
    ['a wrong type', { name: 'p', source, sink, timeoutMs: 'soon' }, '/timeoutMs'],
    [
      'an unknown key of a config',
      { name: 'p', source: { connector: 'udp', config: { port: 1, prot: 1 } }, sink },
      '/source/config',
    ],
    [
      'a wrong type in a config',
      { name: 'p', source: { connector: 'udp', config: { port: [] } }, sink },
      '/source/config/port',
    ],
    ['a config that lacks a field', { name: 'p', source, sink: { connector: 'file', config: {} } }, '/sink/config'],
    ['no config where one is needed', { name: 'p', source, sink: { connector: 'file' } }, '/sink'],
    [
      'an error in one of several sinks',
      { name: 'p', source, sinks: { a: { connector: 'file', config: { paht: '' } } } },
      '/sinks/a/config',
    ],
    [
      'an error in dead letters of a sink',
      { name: 'p', source, sinks: { a: { ...sink, deadLetter: { ...sink, maxRatio: 2 } } } },
      '/sinks/a/deadLetter/maxRatio',
    ],
  ])('refuses %s, and says where', async (_what, value, path) => {
    const validate = await validator();
    expect(validate(value)).toBe(false);
    expect(validate.errors?.map(({ instancePath }) => instancePath)).toContain(path);
  });
});
